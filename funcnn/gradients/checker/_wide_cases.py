"""An op of ours in float64, where what was rounded on the way shows."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from funcnn import _jax
from funcnn.gradients.checker._evaluation import wide
from funcnn.gradients.checker._examine import Depth, Examination, examine, said
from funcnn.gradients.checker._findings import Finding, value_finding
from funcnn.gradients.checker._occurrence import occurrences
from funcnn.gradients.checker._rows import AuditRow, row_of
from funcnn.gradients.checker._witnesses import is_inexact

_VALUE = 1e-7  # relative, of float64


def wide_rows(op: Any, cases: list[tuple[str, tuple[Any, ...]]]) -> list[AuditRow]:
    """The rows of the largest case, with its floats in float64; none for no case."""
    sized = [(_entries(args), name, args) for name, args in cases]
    entries, name, args = max(sized, key=lambda s: s[0], default=(0, "", ()))
    if not entries:
        return []
    statics = {i: args[i] for i in _jax.static_positions(op)}
    given = [_widened(a) for i, a in enumerate(args) if i not in statics]
    leaves, tree = jax.tree.flatten(given)

    def call(*arrays: Any) -> Any:
        whole = list(jax.tree.unflatten(tree, arrays))
        for i, value in statics.items():
            whole.insert(i, value)
        return op(*whole)

    with jax.enable_x64(True):
        try:
            found = occurrences(call, [jax.numpy.asarray(x) for x in leaves], {})
        except Exception as error:  # JAX keeps integers of the other width, say
            why = f"not in float64: {type(error).__name__}: {said(error)}"
            row = row_of(None, Examination(notes=[why]))
            return [row._replace(rule=op.__name__, path=f"{name} in float64")]
        rows = []
        for occurrence in found.occurrences:
            done = examine(occurrence, Depth(snapped=0, second_order=False))
            if op.surrogate is not None:
                done.findings += _values(op, [_widened(a) for a in args])
            row = row_of(occurrence, done)
            path = "/".join(filter(None, (f"{name} in float64", row.path)))
            rows.append(row._replace(path=path))
    return rows


def _values(op: Callable[..., Any], args: list[Any]) -> list[Finding]:
    """A surrogate is for the gradient: the value has to be that of the reference."""
    reference: Any = getattr(op, "reference")  # noqa: B009
    pairs = zip(jax.tree.leaves(op(*args)), jax.tree.leaves(reference(*args)))
    found = []
    for got, meant in pairs:
        value, true = np.asarray(got), np.asarray(meant)
        text = "the value is another than that of the reference"
        one = value_finding(value, true, _VALUE, "given", text)
        found += [one] if one else []
    return found


def _entries(args: tuple[Any, ...]) -> int:
    arrays = [x for x in jax.tree.leaves(args) if hasattr(x, "dtype")]
    return sum(x.size for x in arrays if is_inexact(x.dtype))


def _widened(arg: Any) -> Any:
    return jax.tree.map(lambda x: wide(x) if hasattr(x, "dtype") else x, arg)
