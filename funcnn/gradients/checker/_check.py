"""One rule as a unit, over its own cases or at given arguments."""

import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import funcnn.rules
from funcnn import _jax
from funcnn.gradients._report import Report
from funcnn.gradients._verdicts import fails
from funcnn.gradients.checker._arguments import of_arrays
from funcnn.gradients.checker._audit import audit, report
from funcnn.gradients.checker._examine import Depth, examine, misfit
from funcnn.gradients.checker._findings import Finding
from funcnn.gradients.checker._occurrence import Found, Occurrence, occurrences
from funcnn.gradients.checker._rows import AuditRow, raised_row, row_of
from funcnn.gradients.checker._structure import misfit_text
from funcnn.gradients.checker._variants_rows import with_variants, with_variants_at
from funcnn.gradients.checker._wide_cases import wide_rows


def check(op_or_f: Callable[..., Any], *args: Any, fast: bool = False) -> Report:
    """Examines one rule by itself.

    Args:
      op_or_f: an op made with `funcnn.rule`, any other `jax.custom_vjp` or
        `jax.custom_jvp`, or a function that calls one.
      *args: where to check it. An op of ours needs none: without them it is checked
        over all of its own cases, each at the points that `audit` makes of it.
      fast: look at fewer points, and at no second derivatives, other shapes and
        variants.

    Besides what `audit` looks at, the derivative has to be the same under every
    transformation of JAX, in the rule's own dtypes: without `jit`, under `vmap` over
    each set of its arguments (of more than three: each alone and all), in `scan` and
    `checkpoint`, as `vmap` of the gradient and the gradient of `vmap`, and in
    `jax.shard_map` over up to four CPU devices, with sharded and with replicated
    arguments. That is done where nothing else has been found, at the first and the
    largest case, or call, of a rule. What JAX itself refuses in `shard_map`, or that
    there is only one device, is among the notes of the row.

    Returns:
      A `Report` with an `AuditRow` for each case, or for each rule that a call with
      the arguments meets; the verdicts are those of `audit`.

    Raises:
      TypeError: when there are neither arguments nor cases.
    """
    if args or not funcnn.rules.is_rule(op_or_f):
        if not args:
            name = getattr(op_or_f, "__name__", type(op_or_f).__name__)
            raise TypeError(
                f"check({name}) needs arguments to check it at: only an op made with "
                "funcnn.rule has cases of its own"
            )
        found = audit(op_or_f, *args, fast=fast)
        rows = list(found.rows)
        if not fast:
            rows = with_variants_at(op_or_f, args, rows)
        title = found.title.replace("audit", "check", 1)
        notes = () if rows else found.notes
        return report(title, rows, "rule", notes)
    depth = Depth.fast() if fast else Depth()
    pairs = [p for case in op_cases(op_or_f) for p in _of_case(op_or_f, *case, depth)]
    rows = [row for row, _ in pairs]
    if not fast:
        rows = with_variants(rows, [occurrence for _, occurrence in pairs])
    if not any(fails(row.verdict) for row in rows):
        rows += wide_rows(op_or_f, list(op_cases(op_or_f)))
    return report(f"check of {op_or_f.__name__}", rows, "case")


def op_cases(op: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The cases of an op of ours, by name, with the same random numbers every time."""
    rng = np.random.default_rng(zlib.crc32(op.__name__.encode()))

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape), jnp.result_type(float))

    for number, args in enumerate(op.cases(normal)):
        yield f"case {number}", tuple(args)


def _of_case(
    op: Any, name: str, args: tuple[Any, ...], depth: Depth
) -> Iterator[tuple[AuditRow, Occurrence | None]]:
    statics = {i: args[i] for i in _jax.static_positions(op)}
    dynamic = tuple(a for i, a in enumerate(args) if i not in statics)

    def called(function: Callable[..., Any], *given: Any) -> Any:
        whole = list(given)
        for i, value in statics.items():
            whole.insert(i, value)
        return function(*whole)

    program = of_arrays("check", functools.partial(called, op), dynamic)
    try:
        found = occurrences(program.function, program.arrays, {})
        wrong = _other_types(functools.partial(called, op.reference), dynamic, found)
    except Exception as error:  # of any kind: it is the op's own
        yield raised_row(error, name), None
        return
    for occurrence in found.occurrences:
        done = examine(occurrence, depth)
        done.findings += wrong
        row = row_of(occurrence, done)
        path = "/".join(filter(None, (name, row.path)))
        yield row._replace(path=path), occurrence


def _other_types(
    reference: Callable[..., Any], args: tuple[Any, ...], found: Found
) -> list[Finding]:
    """Outputs of another dtype or shape than those of the reference."""
    meant = jax.tree.leaves(jax.eval_shape(reference, *args))
    return [
        misfit(f"output {i}", f"the value is {text}")
        for i, (made, needed) in enumerate(zip(found.program.out_avals, meant))
        if (text := misfit_text(made, needed)) is not None
    ]
