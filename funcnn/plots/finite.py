"""Which values can be drawn, and how a legend admits the others."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Near the largest float64 the arithmetic of axes overflows.
LARGEST = 1e300


def drawable(values: ArrayLike) -> NDArray[np.bool_]:
    """Tell which values have a place on an axis.

    Args:
        values: numbers of any shape.

    Returns:
        bool array of the same shape: False for NaN, infinities and |value| > 1e300.
    """
    return np.abs(np.asarray(values, np.float64)) <= LARGEST


def drawable_runs(
    xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> Iterator[tuple[list[float], list[float]]]:
    """Split a curve where a point cannot be drawn, so that a gap stays a gap.

    Args:
        xs: float64 of shape (n,).
        ys: float64 of shape (n,).

    Yields:
        The xs and ys of each longest run of drawable points, as Python floats.
    """
    good = drawable(xs) & drawable(ys)
    breaks = np.flatnonzero(np.diff(good)) + 1
    for run in np.split(np.arange(len(good)), breaks):
        if run.size and good[run[0]]:
            yield xs[run].tolist(), ys[run].tolist()


def legend_label(name: str, good: NDArray[np.bool_]) -> str:
    """Name a curve, and count the points that its picture leaves out.

    Args:
        name: what the curve is.
        good: bool of shape (n,), which of its points are drawn.

    Returns:
        `name`, or such as "train (2 not finite)": a gap must not pass unnoticed.
    """
    missing = int(np.count_nonzero(~good))
    return f"{name} ({missing} not finite)" if missing else name
