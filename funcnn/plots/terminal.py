"""Curves as text for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from funcnn.plots.canvas import MARKERS, Frame, TextSeries, text_picture
from funcnn.plots.finite import paired
from funcnn.plots.histories import curves_by_metric, metric_label


def terminal_lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    width: int = 80,
    height: int = 15,
    x_label: str,
    y_label: str,
    title: str | None = None,
    color: bool = False,
) -> str:
    """Draw curves as text, each with a marker of its own.

    Args:
        series: name -> (xs, ys), two sequences of n numbers; at most 6 series. Points
            that are not finite leave a gap, which the legend counts. Every point has
            its marker, and about twenty points if there are more than forty. Where
            points fall on one character, the last series' marker shows.
        width: how many columns no line exceeds.
        height: of the drawing area in lines, at least 3; title, legend and axes add
            about six.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        title: a first line; None for none.
        color: whether to colour the series with ANSI escapes too. Plotille does so
            only if stdout is a terminal or FORCE_COLOR is set, and NO_COLOR is not.

    Returns:
        Lines of text without a newline at the end; curves are braille characters. If
        no point is finite, it says "nothing to show".

    Raises:
        ValueError: if there are more than 6 series, one's xs and ys differ in length,
            or `width` or `height` is too small.
    """
    if len(series) > len(MARKERS):
        raise ValueError(
            f"at most {len(MARKERS)} series can be told apart, got {len(series)}."
        )
    drawn = [
        TextSeries(name, *paired(name, xs, ys), marker, joined=True)
        for (name, (xs, ys)), marker in zip(series.items(), MARKERS, strict=False)
    ]
    return text_picture(drawn, Frame(width, height, x_label, y_label, title, color))


def terminal_curves(
    history: Sequence[Mapping[str, Any]],
    *,
    x: str = "epoch",
    width: int = 80,
    color: bool = False,
) -> str:
    """Draw a training's loss, and below it its accuracy if there is one, as text.

    Args:
        history: one mapping per point, as `learning_curves` takes it: "epoch",
            "train_loss", "test_loss", and the fractions "train_accuracy" and
            "test_accuracy", which are drawn in %.
        x: the key of the x axis, such as "step".
        width: how many columns no line exceeds.
        color: whether to add colour, as in `terminal_lines`.

    Returns:
        One or two pictures, an empty line between them, no newline at the end.

    Raises:
        ValueError: if the history is empty, a record has no number under `x`, there
            is neither loss nor accuracy, or `width` is too small.
    """
    metrics = curves_by_metric(history, x)
    chosen = [metric for metric in ("loss", "accuracy") if metric in metrics]
    if not chosen:
        raise ValueError(
            f"history holds neither loss nor accuracy, only {sorted(metrics)}."
        )
    return "\n\n".join(
        terminal_lines(
            {side: (c.xs, c.values) for side, c in metrics[metric].items()},
            width=width,
            x_label=x.replace("_", " "),
            y_label=metric_label(metric),
            color=color,
        )
        for metric in chosen
    )
