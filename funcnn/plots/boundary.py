"""Where a classifier of the plane draws the line."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from funcnn.plots.figures import finish, legend_below, new_figure
from funcnn.plots.finite import legend_label, plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of a float32, with room for the margin around the points.
LARGEST = 1e38
# What rounding may add to a probability of 1, in half precision too.
ROUNDING = 0.01
LEVELS = np.linspace(0.0, 1.0, 11)
CLASSES: tuple[dict[str, Any], ...] = (
    {"marker": "o", "s": 28, "facecolor": "white", "edgecolor": "black"},
    {"marker": "^", "s": 40, "facecolor": "black", "edgecolor": "white"},
)


def decision_boundary(
    predict: Callable[[NDArray[np.float32]], ArrayLike],
    points: ArrayLike,
    labels: ArrayLike,
    *,
    resolution: int = 200,
    x_label: str = "x1",
    y_label: str = "x2",
    title: str | None = None,
) -> "Figure":
    """Draw the probability of class 1 over the plane, and the points by class.

    Args:
        predict: maps points, float32 of shape (m, 2), to the probability of class 1,
            shape (m,), from 0 to 1. It is called once, with m = resolution².
        points: shape (n, 2). Those that are not finite, or beyond 1e38, are left
            out, and the legend counts them.
        labels: shape (n,), 0 or 1.
        resolution: how many probabilities are computed along each axis, at least 2.
        x_label: what the first coordinate is, with its unit.
        y_label: what the second coordinate is, with its unit.
        title: the figure's title; None for none.

    Returns:
        The figure: shades of the probability in steps of 0.1, darker for higher ones,
        a line where it is 0.5, and points of class 0 and 1 with different markers.
        Where the probability is not finite the plane is hatched.

    Raises:
        ValueError: if shapes are not as above, a label is neither 0 nor 1,
            `resolution` is below 2, or a probability is not from 0 to 1.
    """
    places, classes = _data(points, labels)
    if resolution < 2:
        raise ValueError(f"resolution must be at least 2, got {resolution}.")
    small = np.abs(places) <= LARGEST
    good = small[:, 0] & small[:, 1]
    xs, ys = (_axis(places[good, i], resolution) for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    probability = _probability(predict(grid), resolution)
    figure = new_figure(5.6, 4.4, title)
    panel = figure.add_subplot()
    _shade(figure, panel, xs, ys, probability)
    for label, look in enumerate(CLASSES):
        chosen = classes == label
        panel.scatter(
            *places[chosen & good].T,
            label=legend_label(f"class {label}", good[chosen]),
            linewidth=0.8,
            zorder=3,
            **look,
        )
    finish(panel, x_label, y_label)
    panel.grid(False)
    panel.set_xlim(xs[0], xs[-1])
    panel.set_ylim(ys[0], ys[-1])
    legend_below(figure, panel)
    return figure


def _data(
    points: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check and read the points and their labels."""
    places = plane(points, "points must be")
    classes = np.asarray(labels, np.float64)
    if classes.shape != places.shape[:1]:
        raise ValueError(
            f"{len(places)} points need labels of shape ({len(places)},), got shape "
            f"{classes.shape}."
        )
    strange = classes[(classes != 0) & (classes != 1)]
    if strange.size:
        raise ValueError(f"labels must be 0 or 1, got {strange[0]:g}.")
    return places, classes


def _axis(values: NDArray[np.float64], resolution: int) -> NDArray[np.float32]:
    """Choose where along an axis probabilities are computed."""
    low, high = (values.min(), values.max()) if values.size else (0.0, 0.0)
    # Points of (nearly) one value get a range that float32 can divide.
    least = max(1e-3 * max(abs(low), abs(high)), 1e-30)
    margin = 0.12 * (high - low) if high - low > least else max(1.0, abs(high))
    return np.linspace(low - margin, high + margin, resolution, dtype=np.float32)


def _probability(given: ArrayLike, resolution: int) -> NDArray[np.float64]:
    """Check what `predict` gave, as an image."""
    array = np.asarray(given)
    if array.shape != (resolution**2,):
        raise ValueError(
            f"predict must give a probability for each point, shape "
            f"({resolution**2},), got shape {array.shape}."
        )
    wide = array.astype(np.float64)
    outside = wide[(wide < -ROUNDING) | (wide > 1 + ROUNDING)]
    if outside.size:
        raise ValueError(
            f"predict must give probabilities from 0 to 1, got {outside[0]:.4g}: "
            "logits need a sigmoid first."
        )
    return np.clip(wide, 0.0, 1.0).reshape(resolution, resolution)


def _shade(
    figure: "Figure",
    panel: "Axes",
    xs: NDArray[np.float32],
    ys: NDArray[np.float32],
    probability: NDArray[np.float64],
) -> None:
    """Shade the plane, and draw the line where both classes are as probable."""
    from matplotlib.colors import LinearSegmentedColormap

    # Neither end is so light or dark that it hides a marker.
    shades = LinearSegmentedColormap.from_list("probability", ["#fbeede", "#3d6d9e"])
    finite = np.isfinite(probability)
    if not finite.all():
        hatching: dict[str, Any] = {
            "facecolor": "white",
            "hatch": "xx",
            "edgecolor": "0.6",
        }
        panel.patch.set(**hatching)
        nowhere = [np.nan] * 3  # for the legend
        panel.fill(nowhere, nowhere, label="probability not finite", **hatching)
    masked = np.ma.masked_invalid(probability)
    shading = panel.contourf(xs, ys, masked, LEVELS, cmap=shades)
    figure.colorbar(
        shading, ax=panel, label="probability of class 1", ticks=LEVELS[::2]
    )
    known = probability[finite]
    if known.size and known.min() < 0.5 < known.max():
        panel.contour(xs, ys, masked, [0.5], colors="black", linestyles="--")
        panel.plot([], [], color="black", linestyle="--", label="probability 0.5")
