"""Every case at every point: the gradient of JAX against the truth."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from mpmath import mp, mpf

from .cases import Case
from .classes import INFINITE, LOST_TAIL, NAN, classify, subnormal, ulps
from .points import FLOAT32, ladder, vectors
from .truth import Slope, real, slope_in_closed_form, slope_of_value


@dataclass(frozen=True)
class Finding:
    """One wrong gradient: entry `index` of the gradient of `case` at `point`."""

    case: Case
    point: Any
    index: int | None
    got: float
    true: Slope
    kind: str
    error: str = ""  # what was raised, for RAISES

    @property
    def remoteness(self) -> float:
        """Decades between the input and one."""
        sizes = np.abs(np.atleast_1d(self.point))
        sizes = sizes[(sizes > 0) & np.isfinite(sizes)]
        return float(np.abs(np.log10(sizes)).max(initial=0.0))

    @property
    def ulps(self) -> float:
        """Its error in units in the last place of the truth."""
        return ulps(self.got, self.true)


@dataclass
class Outcome:
    """What one case gave: how many slopes were compared, which were wrong."""

    case: Case
    compared: int = 0
    unknown: int = 0  # no finite slope there
    findings: list[Finding] = field(default_factory=list)
    error: str = ""
    masked: list[Any] = field(default_factory=list)  # NaN for a zero cotangent


def inputs(case: Case) -> np.ndarray:
    """The points of its domain: [n] or, for a vector, [n, size]."""
    if case.size:
        rows = vectors(case.size, case.infinite)
        return np.array([row for row in rows if case.domain(row.tolist())])
    ends = [x for x in (case.low, case.high) if np.isfinite(x)]
    found = np.concatenate([ladder(), np.float32([*ends, *case.points])])
    inside = np.float32(case.low) <= found
    found = np.unique(found[inside & (found <= np.float32(case.high))])
    return np.array([x for x in found if case.domain(float(x))])


def gradients(case: Case, points: np.ndarray) -> tuple[np.ndarray, ...]:
    """Values at all points, and gradients for the cotangents one and zero."""

    def both(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        value, pullback = jax.vjp(case.call, x)
        one, zero = jnp.ones_like(value), jnp.zeros_like(value)
        return value, pullback(one)[0], pullback(zero)[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = jax.jit(jax.vmap(both))(jnp.asarray(points))
    return tuple(np.asarray(part) for part in found)


def true_slope(case: Case, point: Any, index: int | None) -> Slope | None:
    """Its slope at a point, with respect to entry `index` of a vector."""
    if case.slope is not None:
        return slope_in_closed_form(case.slope, float(point))
    if index is None:
        return slope_of_value(case.value, float(point))
    if not np.isfinite(point[index]):
        return None
    fixed = [float(v) for v in point]

    def partial(entry: Any) -> Any:
        row = [
            entry + v * 0
            if i == index
            else entry * 0 + v
            if np.isfinite(v)
            else entry * 0 - np.inf
            for i, v in enumerate(fixed)
        ]
        return case.value(row)

    return slope_of_value(partial, fixed[index])


def audit(case: Case) -> Outcome:
    """One case at all its points."""
    outcome = Outcome(case)
    points = inputs(case)
    try:
        values, one, zero = gradients(case, points)
    except Exception as error:
        outcome.error = f"{type(error).__name__}: {error}".splitlines()[0]
        return outcome
    for point, value, got, dead in zip(points, values, one, zero):
        if representable(case, point, float(value)):
            compare(outcome, point, got, dead)
    return outcome


def representable(case: Case, point: Any, value: float) -> bool:
    """Whether the function itself is finite there: its gradient must then be too."""
    if np.isfinite(value):
        return True
    if case.value is None:
        return False
    with mp.workdps(60):
        row = [mpf(float(v)) for v in np.atleast_1d(point)]
        exact = real(case.value, row if case.size else row[0])
        return exact is not None and abs(exact) < FLOAT32.max


def compare(outcome: Outcome, point: Any, got: np.ndarray, dead: np.ndarray) -> None:
    """All entries of one gradient."""
    case = outcome.case
    indices = range(case.size) if case.size else [None]
    coordinates = [float(v) for v in np.atleast_1d(point)]
    slopes = [true_slope(case, point, index) for index in indices]
    finite = [abs(float(s.low)) for s in slopes if s and s.low < FLOAT32.max]
    scale = max(finite, default=1.0)
    if any(subnormal(x) for x in coordinates):
        return
    found = zip(indices, coordinates, slopes, np.atleast_1d(got), np.atleast_1d(dead))
    for index, x, true, slope, masked in found:
        if true is None:
            outcome.unknown += 1
            continue
        outcome.compared += 1
        kind = classify(float(slope), true, x, scale if case.size else 1)
        if kind and not excused(case, point, index, float(slope), kind):
            finding = Finding(case, point, index, float(slope), true, kind)
            outcome.findings.append(finding)
        elif np.isnan(masked):
            outcome.masked.append(point)


def excused(case: Case, point: Any, index: int | None, got: float, kind: str) -> bool:
    """Whether `got` is right for an input a few units in the last place away.

    Or the function has slopes along the axes there but no gradient, as at ties.
    """
    if kind in (NAN, INFINITE, LOST_TAIL):
        return False
    if index is not None and not differentiable(case, point):
        return True
    if not np.all(point):
        return False
    for step in (-4, -2, -1, 1, 2, 4):
        near = np.asarray(point, float) * (1 + step * float(FLOAT32.eps))
        if np.any(np.abs(near[np.isfinite(near)]) > FLOAT32.max):
            continue
        near = near.astype(np.float32)
        true = true_slope(case, near, index)
        x = float(near if index is None else near[index])
        if true is not None and classify(got, true, x) is None:
            return True
    return False


def differentiable(case: Case, point: Any) -> bool:
    """Whether the slopes along the axes make the slope along two other lines."""
    size = case.size
    fixed = [mpf(float(v)) for v in point]
    finite = np.isfinite(point)
    partials = [true_slope(case, point, i) for i in range(size) if finite[i]]
    for line in (np.ones(size), np.cos(1.0 + np.arange(size))):
        exact = [mpf(float(v)) if f else mpf(0) for v, f in zip(line, finite)]

        def along(t: Any, exact: list = exact) -> Any:
            return case.value([v + (t - 1) * d for v, d in zip(fixed, exact)])

        slope = slope_of_value(along, 1.0)
        known = [p for p in partials if p is not None and not p.kink]
        if slope is None or slope.kink or len(known) < len(partials):
            return False
        moved = [d for d, f in zip(exact, finite) if f]
        expected = sum(p.low * d for p, d in zip(known, moved))
        if abs(expected - slope.low) > mpf(10) ** -15 * max(abs(p.low) for p in known):
            return False
    return True
