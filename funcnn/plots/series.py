"""Any curves as a figure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from funcnn.plots.figures import (
    MOST_STYLES,
    empty_figure,
    finish,
    legend_below,
    new_figure,
    set_x_axis,
    style,
)
from funcnn.plots.finite import drawable, legend_label, paired

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    title: str | None = None,
    log: bool = False,
) -> "Figure":
    """Draw curves, each with a dash and a marker of its own.

    Args:
        series: name -> (xs, ys), two sequences of n numbers; at most 28 series.
            Points that are not finite leave a gap, which the legend counts.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        title: the figure's title; None for none.
        log: whether the y axis is logarithmic; ys that are not positive then leave a
            gap too, which the legend counts.

    Returns:
        The figure with one axes; with no series, it says "nothing to show".

    Raises:
        ValueError: if there are more than 28 series, or one's xs and ys differ in
            length.
    """
    if len(series) > MOST_STYLES:
        raise ValueError(
            f"at most {MOST_STYLES} series can be told apart, got {len(series)}."
        )
    points = {name: paired(name, xs, ys) for name, (xs, ys) in series.items()}
    if not points:
        return empty_figure(title)
    figure = new_figure(6.4, 3.8, title)
    panel = figure.add_subplot()
    drawn = [
        _draw(panel, number, name, xs, ys, log)
        for number, (name, (xs, ys)) in enumerate(points.items())
    ]
    finish(panel, x_label, y_label)
    set_x_axis(panel, np.concatenate([xs for xs, _ in points.values()]))
    if not any(drawn):
        kind = "positive" if log else "finite"
        panel.text(
            0.5, 0.5, f"no {kind} values", ha="center", transform=panel.transAxes
        )
        panel.set_yticks([])
    elif log:
        panel.set_yscale("log")
    legend_below(figure, panel)
    return figure


def _draw(
    panel: "Axes",
    number: int,
    name: str,
    xs: NDArray[np.float64],
    ys: NDArray[np.float64],
    log: bool,
) -> bool:
    """Add one curve, with about twenty markers; whether any point is drawn."""
    good = drawable(xs) & drawable(ys)
    positive = ys > 0 if log else None
    shown = good if positive is None else good & positive
    panel.plot(
        np.where(shown, xs, np.nan),
        np.where(shown, ys, np.nan),
        label=legend_label(name, good, positive),
        markersize=4,
        linewidth=1.5,
        # Starting at other points, markers of curves that agree do not coincide.
        markevery=_marked(len(xs), number),
        **style(number),
    )
    return bool(shown.any())


def _marked(count: int, number: int) -> tuple[int, int]:
    """The first point with a marker, and the step to the next."""
    step = max(1, count // 20)
    return (number * step // 3) % step, step
