"""The numerical witness: a derivative along a direction, with its own error."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Steps fall by 4: a kink at a thousandth of the first step is passed after five.
_RATIO, _LEVELS, _LEAST_LEVELS = 4.0, 10, 3
# Of the point's scale. Truncation falls fast with it, rounding grows with its inverse.
_FIRST_STEP = 1 / 16
_ENOUGH = 1e-9  # of the largest slope: what a comparison with an exact gradient needs
_EPS = float(np.finfo(np.float64).eps)


class Slopes(NamedTuple):
    """Derivatives of a function of one number at 0, each with its estimated error.

    A true error has been measured to stay within 10 times its estimate. Where there
    is no derivative the estimate is of the size of the value or larger, and where no
    step gives finite values the value is NaN and the error infinite.

    Attributes:
      central: by differences to both sides; at a kink the mean of left and right.
      left: the one-sided derivative from below.
      right: the one-sided derivative from above.
      evaluations: how often the function was called.
    """

    central: float
    central_error: float
    left: float
    left_error: float
    right: float
    right_error: float
    evaluations: int

    @property
    def kink(self) -> bool:
        """Whether both one-sided slopes are known and differ beyond their errors."""
        gap = abs(self.right - self.left)
        largest = max(abs(self.left), abs(self.right))
        return gap > 10 * (self.left_error + self.right_error) + 1e-7 * largest


def directional(
    f: Callable[..., Any],
    primals: tuple[Any, ...],
    direction: tuple[Any, ...],
    *,
    weights: Any = None,
) -> Slopes:
    """The derivative of ``t -> <weights, f(primals + t * direction)>`` at 0.

    With steps h falling by 4 the differences ``(F(h) - F(-h)) / 2h`` have an error
    that is a series in h squared, and ``(F(h) - F(0)) / h`` one in h. Neville's
    scheme extrapolates both to h = 0 (Ridders, "Accurate computation of F'(x) and
    F'(x) F''(x)", Advances in Engineering Software 4, 1982): of all extrapolations
    the one that differs least from its two parents is taken, and the difference,
    with what rounding can do, is its error. The first step is relative to the
    point's scale; steps whose values are not finite do not count. If that leaves
    doubt and the scale is far from 1, a second series starts from a step of order 1.

    Args:
      f: from a tuple of pytrees to a pytree of arrays; jitted once, and again with
        the same `f` not compiled anew.
      primals: where; their floats are float64, so x64 has to be enabled. Leaves
        that are not floats are kept as they are.
      direction: of the structure of `primals`; None or anything in place of leaves
        that are not floats.
      weights: the cotangent of the output, by default ones. Outputs that are not
        floats do not count.

    Returns:
      The `Slopes`, after 7 to 21 evaluations, and up to 41 where the second series is
      needed. A kink nearer than a 4 millionth of the point's scale
      looks as if it were at the point.

    Raises:
      TypeError: when a float among the primals is not float64.
    """
    line = _Line(f, primals, direction, weights)
    tableaus = _Tableau(2), _Tableau(1), _Tableau(1)
    middle = line.at(0.0)
    # Without a value at the point there is no derivative, whatever stands around it.
    for first in line.first_steps() if np.isfinite(middle).all() else ():
        if _extrapolate(line, middle, tableaus, first):
            break
    central, left, right = (tableau.best() for tableau in tableaus)
    return Slopes(*central, *left, *right, line.evaluations)


def _extrapolate(
    line: "_Line", middle: np.ndarray, tableaus: Sequence["_Tableau"], first: float
) -> bool:
    """Adds one series of steps; whether all slopes are then known well enough."""
    for tableau in tableaus:
        tableau.restart()
    for level in range(_LEVELS):
        step = first * _RATIO**-level
        above, below = line.at(step), line.at(-step)
        pairs = (above, below, 2 * step), (middle, below, step), (above, middle, step)
        for tableau, (right, left, width) in zip(tableaus, pairs):
            # Elementwise first: a large output must not drown a small difference.
            with np.errstate(invalid="ignore", over="ignore"):
                slope = float(np.sum((right - left) / width))
            noise = _EPS * (_norm(right) + _norm(left)) / width
            # The point itself is rounded too, and moves by less than the step says.
            noise += _EPS * abs(slope) * line.scale / width
            tableau.add(step, slope, noise)
        if level + 1 >= _LEAST_LEVELS:
            known = [tableau.best() for tableau in tableaus]
            # Together: at a kink one slope may be 0, and no error is relative to that.
            largest = max(abs(value) for value, _ in known)
            if all(error <= _ENOUGH * largest for _, error in known):
                return True
    return False


class _Line:
    """The weighted outputs of `f`, flat, along a line through a point."""

    def __init__(
        self, f: Any, primals: tuple[Any, ...], direction: tuple[Any, ...], weights: Any
    ) -> None:
        tree: Any
        leaves, tree = jax.tree.flatten(primals)
        self._leaves = tuple(leaves)
        self._moving = tuple(i for i, leaf in enumerate(leaves) if _is_float(leaf))
        steps = tree.flatten_up_to(direction)
        self._steps = tuple(steps[i] for i in self._moving)
        for i in self._moving:
            if (dtype := leaves[i].dtype) != np.float64:
                raise TypeError(f"directional: primals must be float64, got {dtype}")
        sizes = [(_rms(leaves[i]), _rms(d)) for i, d in zip(self._moving, self._steps)]
        pace = max((d for _, d in sizes), default=0.0)
        self._unit = 1 / pace if pace else 1.0
        ratios = [x / d for x, d in sizes if x and d]
        # The smallest argument says how far one may go, the largest what is rounded.
        self._nearest = min(ratios, default=self._unit)
        self.scale = max(ratios, default=0.0)
        self._run, self._weights = _compiled(f, tree, self._moving), weights
        self.evaluations = 0

    def first_steps(self) -> list[float]:
        """Powers of two, so that steps are exact: to the point's scale, and to 1."""
        relative, unit = (
            2.0 ** round(math.log2(_FIRST_STEP * s))
            for s in (self._nearest, self._unit)
        )
        return [relative] if 1 / 16 <= unit / relative <= 16 else [relative, unit]

    def at(self, t: float) -> np.ndarray:
        """The weighted outputs at point + t * direction."""
        self.evaluations += 1
        outputs = self._run(self._leaves, self._steps, t)
        tree: Any
        leaves, tree = jax.tree.flatten(outputs)
        given = self._weights
        weights = [1.0] * len(leaves) if given is None else tree.flatten_up_to(given)
        parts = [_weighted(w, y) for w, y in zip(weights, leaves) if _is_float(y)]
        return np.concatenate([np.zeros(0), *parts])


class _Tableau:
    """Neville's scheme for differences whose error is a series in step**power."""

    def __init__(self, power: int) -> None:
        self._power = power
        self._plain: list[tuple[float, float, float]] = []  # step, value, noise
        self._candidates: list[tuple[float, float]] = []  # value, error
        self.restart()

    def restart(self) -> None:
        """Begins a new series of steps; what is known so far stays."""
        self._steps: list[float] = []
        self._row: list[tuple[float, float]] = []  # value, noise

    def add(self, step: float, value: float, noise: float) -> None:
        """Takes the difference for one more step, smaller than those before."""
        if not math.isfinite(value):
            return
        self._plain = sorted([*self._plain, (step, value, noise)])
        row = [(value, noise)]
        for before, (other, other_noise) in zip(reversed(self._steps), self._row):
            left, left_noise = row[-1]
            factor = (before / step) ** self._power - 1
            best = left + (left - other) / factor
            doubt = left_noise + (left_noise + other_noise) / factor
            row.append((best, doubt))
            error = max(abs(best - left), abs(best - other)) + doubt
            self._candidates.append((best, error))
        self._steps.append(step)
        self._row = row

    def best(self) -> tuple[float, float]:
        """The value of the least error, and that error."""
        if not self._candidates:
            return math.nan, math.inf
        # Far apart, a bounded function has differences near 0, and they agree. So a
        # value must also be what the smallest steps, not extrapolated, tend to.
        (_, last, noise), (_, previous, _) = self._plain[:2]
        near = abs(last - previous) + 10 * noise
        errors = (
            error if abs(value - last) <= near else max(error, abs(value - last))
            for value, error in self._candidates
        )
        rated = zip(errors, (value for value, _ in self._candidates))
        error, value = min(rated)
        return value, error


@functools.lru_cache(maxsize=16)
def _compiled(f: Callable[..., Any], tree: Any, moving: tuple[int, ...]) -> Any:
    def run(leaves: tuple[Any, ...], steps: tuple[Any, ...], t: Any) -> Any:
        moved = list(leaves)
        for i, step in zip(moving, steps):
            moved[i] = leaves[i] + t * step
        return f(*jax.tree.unflatten(tree, moved))

    return jax.jit(run)


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(jax.typeof(leaf).dtype, jnp.floating)


def _weighted(weight: Any, output: Any) -> np.ndarray:
    """Their product, where a weight of 0 hides an infinity as a mask does."""
    values = np.asarray(output, np.float64)
    weight = np.broadcast_to(np.asarray(weight, np.float64), values.shape)
    return np.where(
        weight == 0, 0.0, weight * np.where(weight == 0, 0.0, values)
    ).ravel()


def _rms(values: Any) -> float:
    """Of the finite entries: a mask of infinities has no scale."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    return _norm(values) / math.sqrt(values.size) if values.size else 0.0


def _norm(values: np.ndarray) -> float:
    """The Euclidean norm, safe from overflow and underflow of the squares."""
    largest = float(np.abs(values).max(initial=0.0))
    if not largest or not math.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(values / largest))
