"""What the rule book says of a rule in numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients import kill_rate, saved_bytes
from funcnn.gradients._precision import (
    Errors,
    errors,
    in_both_precisions,
    worst_in_ulps,
)
from funcnn.gradients.mutation._cases import Case, cases_of

_ROUNDING = 1e-15  # what is left of numbers near 1 where the truth is 0


class Measures(NamedTuple):
    """Of one rule, over all of its cases; pairs are ours and the automatic one.

    Attributes:
      float64: the largest difference of both gradients, over the largest entry of
        the argument's; but for rounding where that is 0.
      float32: errors in units in the last place, against the truth in float64.
      bfloat16: likewise.
      saved: bytes kept for the backward pass in float32, where automatic
        differentiation keeps most.
      faults: how many injected faults were found, and how many there were.
      sample: the most faults that were tried of each family; 0 for all.
    """

    float64: float
    float32: tuple[float, float]
    bfloat16: tuple[float, float]
    saved: tuple[int, int]
    faults: tuple[int, int]
    sample: int


def measured(op: Any, sample: int) -> Measures:
    """Measures one rule; the most of it is the time for the injected faults."""
    with jax.enable_x64(True):
        double = _float64_error(op)
        single, half = (_ulps(op, dtype) for dtype in (jnp.float32, jnp.bfloat16))
    found = kill_rate(op, sample=sample or None)
    counts = (found.killed, found.faults)
    return Measures(_short(double), single, half, _saved(op), counts, sample)


def _short(number: float) -> float:
    return float(f"{number:.3g}")


def _of_floats(case: Case, f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` at a case, as a function of the arguments that are differentiated."""

    def called(*floats: Any) -> Any:
        given = dict(zip(case.floats, floats, strict=True))
        return f(*(given.get(i, arg) for i, arg in enumerate(case.args)))

    return called


def _both(op: Any, case: Case) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The rule, and the function whose derivative it declares."""
    return _of_floats(case, op), _of_floats(case, op.declared)


def _floats(case: Case) -> tuple[Any, ...]:
    return tuple(case.args[i] for i in case.floats)


def _gradients(op: Any, dtype: Any) -> list[Any]:
    """The leaves of the cotangents of every case: manual, automatic, and the truth."""
    cases = cases_of(op, dtype)

    def all_of_them(inputs: Any) -> Any:
        found = []
        for case, given in zip(cases, inputs, strict=True):
            (_, manual), *others = in_both_precisions(*_both(op, case))(*given)
            found.append([jax.tree.leaves(g) for g in (manual, *others)])
        return found

    # one program, for nearly all of the time goes into compiling
    inputs = [(_floats(case), _cotangent(case.output)) for case in cases]
    return jax.device_get(jax.jit(all_of_them)(inputs))


def _cotangent(output: Any) -> Any:
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda y: rng.standard_normal(y.shape).astype(y.dtype), output)


def _float64_error(op: Any) -> float:
    worst = 0.0
    for manual, automatic, _ in _gradients(op, jnp.float64):
        for m, a in zip(manual, automatic, strict=True):
            difference, largest = (float(abs(x).max(initial=0)) for x in (m - a, a))
            if max(difference, largest) > _ROUNDING:
                worst = max(worst, difference / largest if largest else np.inf)
    return worst


def _ulps(op: Any, dtype: Any) -> tuple[float, float]:
    rows: dict[int, list[Errors]] = {}
    for gradients in _gradients(op, dtype):
        for index, triple in enumerate(zip(*gradients, strict=True)):
            rows.setdefault(index, []).append(errors(*triple))
    pairs = [worst_in_ulps(own, dtype) for own in rows.values()]
    return _short(max(m for m, _ in pairs)), _short(max(a for _, a in pairs))


def _saved(op: Any) -> tuple[int, int]:
    pairs = []
    for case in cases_of(op, jnp.float32):
        manual, automatic = (saved_bytes(f, *_floats(case)) for f in _both(op, case))
        pairs.append((manual, automatic))
    return max(pairs, key=lambda pair: (pair[1], pair[0]))
