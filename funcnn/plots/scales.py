"""Axes that are linear around 0 and logarithmic beyond, over any range of floats."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEPS = (1, 2, 5, 10, 20, 50, 100, 200)
MARGIN = 0.03
MOST_LINEAR = 20.0
# exp of more overflows float64; that of this on both sides of 0 still has a length.
LARGEST_LOGARITHM = 709.0


def set_symmetric_log(
    panel: "Axes",
    which: Literal["x", "y"],
    values: ArrayLike,
    linear: float,
    *,
    most_ticks: int = 4,
) -> None:
    """Give an axis a symmetric logarithmic scale, limits and ticks.

    Matplotlib's own "symlog" loses its ticks or its precision between the smallest
    and the largest float64; this one does not.

    Args:
        panel: whose axis it is; its coordinates stay those of the data.
        which: the axis.
        values: what is drawn along it, finite; 0 is always on the axis.
        linear: around 0 the axis is linear up to about this magnitude, above 0.
        most_ticks: how many ticks are on each side of 0 at most.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    forward, inverse = symmetric_log(linear)
    array = np.asarray(values, np.float64)
    low, high = min(array.min(initial=0.0), 0.0), max(array.max(initial=0.0), 0.0)
    if low == high:
        high = 10 * linear
    ends = forward(np.array([low, high]))
    room = MARGIN * (ends[1] - ends[0])
    limits = inverse(ends + np.array([-room, room]))
    ticks = _ticks(low, high, forward, most_ticks)
    axis = panel.xaxis if which == "x" else panel.yaxis
    options: dict[str, Any] = {"functions": (forward, inverse)}
    if which == "x":
        panel.set_xscale("function", **options)
        panel.set_xlim(*limits)
    else:
        panel.set_yscale("function", **options)
        panel.set_ylim(*limits)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _label(value)))


def set_error_axis(
    panel: "Axes", which: Literal["x", "y"], errors: NDArray[np.float64]
) -> None:
    """Give errors an axis that starts at 0: linear, or if they differ much beyond 1.

    Args:
        panel: whose axis it is.
        which: the axis.
        errors: float64 of any shape, finite and not negative.
    """
    largest = max(float(errors.max(initial=0.0)), 1.0)
    if largest > MOST_LINEAR:
        set_symmetric_log(panel, which, errors, 1.0, most_ticks=5)
        return
    limits = (-MARGIN * largest, (1 + MARGIN) * largest)
    if which == "x":
        panel.set_xlim(*limits)
    else:
        panel.set_ylim(*limits)


def symmetric_log(
    linear: float,
) -> tuple[
    Callable[[ArrayLike], NDArray[np.float64]],
    Callable[[ArrayLike], NDArray[np.float64]],
]:
    """Make sign(x) log10(1 + |x| / linear), and its inverse.

    Args:
        linear: above 0; even the smallest float64 overflows nothing.

    Returns:
        Both functions, of arrays of any shape.
    """
    log_linear = math.log(linear)

    def forward(x: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(x, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):  # NaN stays NaN
            logarithm = np.log(np.abs(array)) - log_linear
            position = np.logaddexp(0.0, logarithm) / math.log(10.0)
        return np.sign(array) * position

    def inverse(position: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(position, np.float64)
        z = np.abs(array) * math.log(10.0)
        with np.errstate(divide="ignore"):
            logarithm = log_linear + z + np.log(-np.expm1(-z))
        return np.sign(array) * np.exp(np.minimum(logarithm, LARGEST_LOGARITHM))

    return forward, inverse


def _ticks(
    low: float,
    high: float,
    forward: Callable[[ArrayLike], NDArray[np.float64]],
    most: int,
) -> list[float]:
    """Place 0 and powers of ten, none so near to 0 that the labels would touch."""
    positive = _powers(high, most, forward)
    negative = [-power for power in reversed(_powers(-low, most, forward))]
    near = 0.6 * float(forward(max(high, -low))) / most
    far = [tick for tick in negative + positive if abs(forward(tick)) > near]
    return sorted([*far, 0.0])


def _powers(
    top: float, most: int, forward: Callable[[ArrayLike], NDArray[np.float64]]
) -> list[float]:
    """Choose powers of ten up to `top`, at a round distance."""
    if top <= 0:
        return []
    highest = math.floor(math.log10(top) + 1e-9)
    decades = float(forward(top))
    step = next(step for step in STEPS if decades / step <= most or step == STEPS[-1])
    exponents = range(highest - highest % step, highest - math.ceil(decades), -step)
    return [float(f"1e{exponent}") for exponent in reversed(exponents)]


def _label(value: float) -> str:
    """Write 0, or a power of ten, as short as it can be."""
    if value == 0:
        return "0"
    sign = "\N{MINUS SIGN}" if value < 0 else ""
    exponent = round(math.log10(abs(value)))
    if abs(exponent) < 3:
        return f"{sign}{abs(value):g}"
    return f"${sign}10^{{{exponent}}}$"
