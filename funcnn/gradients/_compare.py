"""A program's own gradient beside its automatic one and its slopes."""

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from funcnn.gradients._compare_arguments import chosen, scalar_of
from funcnn.gradients._compare_leaves import Gradients, Leaf
from funcnn.gradients._compare_rows import ComparisonRow as ComparisonRow
from funcnn.gradients._compare_verdicts import RANDOM, Seen, judged, without_slope
from funcnn.gradients._compare_witness import Witness, stops
from funcnn.gradients._report import Report
from funcnn.gradients._verdicts import BOTH_WRONG
from funcnn.gradients.checker._arguments import of_arrays

_SECONDS = 10.0  # after which no slopes of another leaf are taken
_COLUMNS = ("path", "shape", "manual", "automatic", "relative_error", "ulp_error")
_SLOPES = ("manual_slope", "automatic_slope", "numerical_slope")


def compare_gradients(
    f: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] = 0,
    numerical: bool = True,
) -> Report:
    """Compares the gradient by the program's rules, the automatic one, and slopes.

    The third witness is the function itself: its slope along a random direction of
    each leaf, by differences of its values in float64, with an error of its own. It
    says which of two gradients is wrong where they differ, and where they agree
    whether both are.

    Args:
      f: a function of `args` that gives a scalar, or a tuple that begins with one.
      *args: where to compare; in float64 (`jax.enable_x64`) rounding leaves about
        fifteen digits to compare, in float32 seven. What is no array, nor a float,
        is kept as it is.
      argnums: the argument, or arguments, to differentiate by.
      numerical: whether to take slopes: for each leaf, 7 to 40 evaluations of `f`
        in float64. After 10 seconds none are begun, and a note says for how many
        leaves there are none.

    Returns:
      A `Report` with a `ComparisonRow` for each leaf of the arguments, in order. Two
      gradients of a leaf are the same up to a relative error of 1e-9 in float64,
      1e-4 in float32 and 5e-2 in half precision, or a difference of 16 ULP of the
      largest entry of all leaves. The verdict is:
        OK: they are the same, and no slope says otherwise.
        RULE WRONG: they are not, and the automatic gradient has the right slope.
        AUTO WRONG: the gradient by rules has it; this passes.
        BOTH WRONG: neither has it, along the same direction at a point nearby too if
        they are the same. So is a gradient that is cut off with `stop_gradient`.
        KINK: at a kink, and what the rules say is between the one-sided slopes, or
        what automatic differentiation says; this passes.
        KINK OUTSIDE: at a kink, not the automatic gradient, and not between them.
        DIFFERENT: they are not the same, and no slope decides.
        NOT TESTABLE: there is no automatic gradient, and no slope decides.
      Where they differ along no random direction, the slopes are along the entry
      that is worst.

    Raises:
      TypeError: when f does not give a scalar, an argument is not of floats, or
        inside of `jit`, `vmap` or `grad`, where there are no values.
      ValueError: when there is no argument of that number.
    """
    program = of_arrays("compare_gradients", f, args)
    leaves = chosen(f, args, argnums)
    positions = tuple(place for _, place in leaves)

    def scalar(*arrays: Any) -> Any:
        return scalar_of(program.function(*arrays), f)

    rows: list[ComparisonRow] = []
    notes = ["no leaves to differentiate by"]
    if leaves:
        gradients = Gradients(scalar, program.arrays, positions)
        witness = Witness(gradients, program.arrays, positions) if numerical else None
        paths = [path for path, _ in leaves]
        rows = _rows(paths, gradients.at(program.arrays), witness)
        notes = list(_notes(gradients, witness, rows))
    dtypes = sorted({row.dtype for row in rows})
    what = "gradients by rules | by automatic differentiation (norms)"
    title = ", ".join([what, *dtypes])
    columns = (*_COLUMNS, *(_SLOPES if numerical else ()), "verdict")
    return Report(title, tuple(rows), columns, notes=tuple(notes))


def _rows(
    paths: list[str], leaves: list[Leaf], witness: Witness | None
) -> list[ComparisonRow]:
    end, rows = time.monotonic() + _SECONDS, []
    for number, (path, leaf) in enumerate(zip(paths, leaves, strict=True)):
        if witness is None or not leaf.manual.size:
            why = ""
        elif witness.reason:
            why = "none (see below)"
        elif time.monotonic() > end:
            why = "not taken"
        else:
            ask = functools.partial(witness.seen, number)
            rows.append(_row(path, leaf, *judged(leaf, ask)))
            continue
        rows.append(_row(path, leaf, without_slope(leaf))._replace(reason=why))
    return rows


def _row(
    path: str, leaf: Leaf, verdict: str, seen: Seen | None = None
) -> ComparisonRow:
    automatic = leaf.automatic
    row = ComparisonRow(
        path,
        leaf.manual.shape,
        leaf.dtype,
        float(np.linalg.norm(leaf.manual)),
        math.nan if automatic is None else float(np.linalg.norm(automatic)),
        leaf.relative,
        leaf.ulps,
        verdict,
    )
    if seen is None:
        return row
    return row._replace(
        slope_by_rules=seen.manual,
        slope_automatic=seen.automatic,
        slopes=seen.slopes,
        direction=seen.label,
    )


def _notes(
    gradients: Gradients, witness: Witness | None, rows: list[ComparisonRow]
) -> Iterator[str]:
    if gradients.reason:
        yield f"no automatic gradient: {gradients.reason}"
    if witness is not None and witness.reason:
        yield f"no numerical slopes: {witness.reason}"
    left_out = sum(row.reason == "not taken" for row in rows)
    if left_out:
        yield (
            f"no slopes of {left_out} of {len(rows)} leaves: "
            f"{_SECONDS:g} seconds were over"
        )
    for row in rows:
        if row.direction not in ("", RANDOM):
            yield f"slopes of {row.path}: along {row.direction}"
    if any(row.verdict == BOTH_WRONG for row in rows) and stops(gradients.plain):
        yield "the program holds stop_gradient: its slopes do not stop there"
