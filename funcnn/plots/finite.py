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


def plane(points: ArrayLike, needs: str) -> NDArray[np.float64]:
    """Read points of the plane: numbers of shape (n, 2), or an empty list.

    Raises:
        ValueError: that begins with `needs`, unless they are.
    """
    array = np.asarray(points, np.float64)
    if array.shape == (0,):  # an empty list
        array = array.reshape(0, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{needs} of shape (n, 2), got shape {array.shape}.")
    return array


def paired(
    name: str, xs: ArrayLike, ys: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read one series.

    Args:
        name: of the series, for the error.
        xs: n numbers.
        ys: n numbers.

    Returns:
        Both as float64 of shape (n,).

    Raises:
        ValueError: if they are not two sequences of one length.
    """
    x_array, y_array = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
    if x_array.ndim != 1 or x_array.shape != y_array.shape:
        raise ValueError(
            f"series {name!r} needs two sequences of one length, got shapes "
            f"{x_array.shape} and {y_array.shape}."
        )
    return x_array, y_array


def legend_label(
    name: str, good: NDArray[np.bool_], positive: NDArray[np.bool_] | None = None
) -> str:
    """Name a curve, and count the points that its picture leaves out.

    Args:
        name: what the curve is.
        good: bool of shape (n,), which of its points have a place on the axes.
        positive: bool of shape (n,), which are above 0, where only these are drawn;
            None where the sign does not matter.

    Returns:
        `name`, or such as "train (2 not finite)" or "loss (1 not positive)": a gap
        must not pass unnoticed.
    """
    counts = {"not finite": int(np.count_nonzero(~good))}
    if positive is not None:
        counts["not positive"] = int(np.count_nonzero(good & ~positive))
    left_out = [f"{count} {why}" for why, count in counts.items() if count]
    return f"{name} ({', '.join(left_out)})" if left_out else name
