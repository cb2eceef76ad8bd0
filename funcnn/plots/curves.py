"""Learning curves as a figure for a file."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from funcnn.plots.figures import HANDLE_LENGTH, finish, new_figure, set_x_axis
from funcnn.plots.finite import drawable, legend_label
from funcnn.plots.histories import Curve, curves_by_metric, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS_PER_ROW = 3
# Dash and marker tell the two apart in grey, colour only helps.
STYLES: dict[str, dict[str, Any]] = {
    "train": {"color": "#1f4e79", "linestyle": "-", "marker": "o"},
    "test": {"color": "#c2571a", "linestyle": "--", "marker": "s"},
}


def learning_curves(
    history: Sequence[Mapping[str, Any]],
    *,
    x: str = "epoch",
    title: str | None = None,
) -> "Figure":
    """Draw every metric of a training against the epoch, one panel each.

    Args:
        history: one mapping per epoch, with the key "epoch" and numbers under keys
            that start with "train_" or "test_", such as "train_loss" and
            "test_accuracy". Accuracies are fractions (0 to 1) and are drawn in %.
            A key may lack, or be None, in epochs which did not measure it. Values
            that are not finite leave a gap, which the legend counts.
        x: the key of the x axis, such as "step" for one mapping per step.
        title: the figure's title; None for none.

    Returns:
        The figure; `figure.savefig("curves.png")` writes it.

    Raises:
        ValueError: if the history is empty, a record has no number under `x`, or no
            key starts with "train_" or "test_".
    """
    metrics = curves_by_metric(history, x)
    columns = min(len(metrics), PANELS_PER_ROW)
    rows = -(-len(metrics) // columns)
    figure = new_figure(4.5 * columns, 3.4 * rows, title)
    for position, (metric, sides) in enumerate(metrics.items(), start=1):
        panel = figure.add_subplot(rows, columns, position)
        for side, curve in sides.items():
            _draw_curve(panel, side, curve)
        _finish_panel(panel, metric, sides, x.replace("_", " "))
    return figure


def _draw_curve(panel: "Axes", side: str, curve: Curve) -> None:
    """Add one curve, with about twenty markers however many points there are."""
    good = drawable(curve.values)
    panel.plot(
        curve.xs,
        np.where(good, curve.values, np.nan),
        label=legend_label(side, good),
        markersize=4,
        linewidth=1.5,
        markevery=max(1, len(good) // 20),
        **STYLES[side],
    )


def _finish_panel(
    panel: "Axes", metric: str, sides: Mapping[str, Curve], x_label: str
) -> None:
    """Add axes, grid and legend to a panel whose curves are drawn."""
    finish(panel, x_label, metric_label(metric))
    set_x_axis(panel, np.concatenate([curve.xs for curve in sides.values()]))
    if not any(drawable(curve.values).any() for curve in sides.values()):
        panel.text(0.5, 0.5, "no finite values", ha="center", transform=panel.transAxes)
        panel.set_yticks([])
    # Beside the curves, which may be anywhere.
    panel.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=len(sides),
        frameon=False,
        fontsize=9,
        handlelength=HANDLE_LENGTH,
    )
