"""True slopes, from values or closed forms in multiple precision (mpmath)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

DIGITS = 240  # of every value: 2/3 are lost in differences, 80 remain
STEP_DIGITS = 80  # of the step, relative to the point
FLAT = mpf(10) ** -55  # below float32's smallest number by ten powers: zero
STEEP = mpf(10) ** 39  # above float32's largest number


@dataclass(frozen=True)
class Slope:
    """The interval of the one-sided slopes, and how fast the slope changes there."""

    low: mpf
    high: mpf
    curvature: mpf

    @property
    def kink(self) -> bool:
        """Whether the two sides differ."""
        return self.low != self.high


def slope_of_value(f: Callable[[Any], Any], x: float) -> Slope | None:
    """The slopes of `f` at `x` by differences; None where there is no finite one."""
    with mp.workdps(DIGITS):
        point = mpf(x)
        step = (abs(point) or mpf(1)) * mpf(10) ** -STEP_DIGITS
        middle = real(f, point)
        if middle is None:
            return None
        up, down = real(f, point + step), real(f, point - step)
        right = None if up is None else (up - middle) / step
        left = None if down is None else (middle - down) / step
        if right is not None and left is not None and close(left, right):
            mean = (left + right) / 2
            mean = mpf(0) if abs(mean) < FLAT else mean
            return Slope(mean, mean, (right - left) / step)
        return at_kink(f, point, step, left, right)


def at_kink(f: Callable, point: mpf, step: mpf, *sides: mpf | None) -> Slope | None:
    """The interval of the sides, if neither changes with the step."""
    found = []
    for sign, side in zip((-1, 1), sides):
        if side is None:
            continue
        near = step / 1000
        moved, middle = real(f, point + sign * near), real(f, point)
        if moved is None or not close(side, sign * (moved - middle) / near):
            return None
        found.append(mpf(0) if abs(side) < FLAT else side)
    # A domain's end has one side, and its slope is the gradient there.
    return Slope(min(found), max(found), mpf(0)) if found else None


def slope_in_closed_form(df: Callable[[Any], Any], x: float) -> Slope | None:
    """The slope `df(x)`, with its rate of change by differences."""
    with mp.workdps(60):
        point = mpf(x)
        step = (abs(point) or mpf(1)) * mpf(10) ** -20
        middle, up, down = (real(df, point + s * step) for s in (0, 1, -1))
        if middle is None:
            return None
        known = up is not None and down is not None
        return Slope(middle, middle, (up - down) / (2 * step) if known else mpf(0))


def real(f: Callable[[Any], Any], x: mpf) -> mpf | None:
    """f(x), or None where it is not a finite real number."""
    try:
        value = f(x)
    except (ValueError, ZeroDivisionError, OverflowError, mp.NoConvergence):
        return None
    if value is None:
        return None
    value = mp.convert(value)
    if isinstance(value, mp.mpc):
        return None
    return value if mp.isfinite(value) else None


def close(a: mpf, b: mpf) -> bool:
    """Whether two slopes are the same, to twenty digits and more."""
    size = max(abs(a), abs(b))
    return size < FLAT or abs(a - b) <= size * mpf(10) ** -22
