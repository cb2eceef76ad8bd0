"""Curves as text for a terminal."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from funcnn.plots.finite import drawable, drawable_runs, legend_label
from funcnn.plots.histories import curves_by_metric, metric_label
from funcnn.plots.ticks import text_axis

if TYPE_CHECKING:
    from plotille import Figure

Points = tuple[NDArray[np.float64], NDArray[np.float64]]

# The marker and the colour of the first series, the second, and so on.
STYLES = tuple(
    zip("ox+*#@", ("blue", "red", "green", "magenta", "cyan", "yellow"), strict=True)
)
# What Plotille writes left of the canvas, and right of it around the x label.
MARGIN = 19
X_SPACING, X_CHARACTERS = 10, 9
Y_SPACING, Y_CHARACTERS = 3, 10


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
            that are not finite leave a gap, which the legend counts. Where points
            fall on one character, the last series' marker shows.
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
    width_inside = width - MARGIN - max(len(x_label), 3)
    _check_size(len(series), width_inside, width, height)
    points = {name: _points(name, xs, ys) for name, (xs, ys) in series.items()}
    lines = textwrap.wrap(title or "", width) + _legend(points, width, color)
    figure = _figure(points, width_inside, height, color)
    if figure is None:
        return "\n".join([*lines, "nothing to show: no finite values"])
    figure.x_label = x_label
    # Plotille's first line is a y label of at most 8 characters: put the full one.
    picture = figure.show().split("\n")[1:]
    lines += textwrap.wrap(y_label, width) + picture
    return "\n".join(line.rstrip(" \u2800") for line in lines)


def terminal_curves(
    history: Sequence[Mapping[str, Any]], *, width: int = 80, color: bool = False
) -> str:
    """Draw a training's loss, and below it its accuracy if there is one, as text.

    Args:
        history: one mapping per epoch, as `learning_curves` takes it: "epoch",
            "train_loss", "test_loss", and the fractions "train_accuracy" and
            "test_accuracy", which are drawn in %.
        width: how many columns no line exceeds.
        color: whether to add colour, as in `terminal_lines`.

    Returns:
        One or two pictures, an empty line between them, no newline at the end.

    Raises:
        ValueError: if the history is empty, an epoch has no number, there is neither
            loss nor accuracy, or `width` is too small.
    """
    metrics = curves_by_metric(history)
    chosen = [metric for metric in ("loss", "accuracy") if metric in metrics]
    if not chosen:
        raise ValueError(
            f"history holds neither loss nor accuracy, only {sorted(metrics)}."
        )
    return "\n\n".join(
        terminal_lines(
            {side: (c.epochs, c.values) for side, c in metrics[metric].items()},
            width=width,
            x_label="epoch",
            y_label=metric_label(metric),
            color=color,
        )
        for metric in chosen
    )


def _check_size(count: int, width_inside: int, width: int, height: int) -> None:
    """Refuse what cannot be drawn or told apart."""
    if count > len(STYLES):
        raise ValueError(
            f"at most {len(STYLES)} series can be told apart, got {count}."
        )
    if width_inside < X_SPACING:
        needed = width - width_inside + X_SPACING
        raise ValueError(f"width must be at least {needed} columns, got {width}.")
    if height < Y_SPACING:
        raise ValueError(f"height must be at least {Y_SPACING} lines, got {height}.")


def _points(name: str, xs: ArrayLike, ys: ArrayLike) -> Points:
    """Read one series."""
    x_array, y_array = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
    if x_array.ndim != 1 or x_array.shape != y_array.shape:
        raise ValueError(
            f"series {name!r} needs two sequences of one length, got shapes "
            f"{x_array.shape} and {y_array.shape}."
        )
    return x_array, y_array


def _legend(points: Mapping[str, Points], width: int, color: bool) -> list[str]:
    """Write each series' marker and name: on one line if they fit."""
    import plotille

    plain, painted = [], []
    for (name, (xs, ys)), (marker, shade) in zip(points.items(), STYLES, strict=False):
        text = f"{marker} {legend_label(name, drawable(xs) & drawable(ys))}"[:width]
        plain.append(text)
        painted.append(plotille.color(text, fg=shade, no_color=not color))
    one_line = len("   ".join(plain)) <= width
    return ["   ".join(painted)] if one_line else painted


def _figure(
    points: Mapping[str, Points], width: int, height: int, color: bool
) -> "Figure | None":
    """Draw the series and the y axis' ticks; None if no point is finite."""
    import plotille

    runs = [list(drawable_runs(xs, ys)) for xs, ys in points.values()]
    all_xs = [x for curve in runs for xs, _ in curve for x in xs]
    all_ys = [y for curve in runs for _, ys in curve for y in ys]
    if not all_xs:
        return None
    figure = plotille.Figure()
    figure.width, figure.height = width, height
    figure.with_colors, figure.origin, figure.linesep = color, False, "\n"
    whole = all(x.is_integer() for x in all_xs)
    x_axis = text_axis(all_xs, width, X_SPACING, whole=whole)
    y_axis = text_axis(all_ys, height, Y_SPACING, whole=False)
    figure.set_x_limits(x_axis.low, x_axis.high)
    figure.set_y_limits(y_axis.low, y_axis.high)
    figure.x_ticks_fkt = lambda value, _: x_axis.label(value, X_CHARACTERS)
    figure.y_ticks_fkt = lambda value, _: y_axis.label(value, Y_CHARACTERS)
    for curve, (marker, shade) in zip(runs, STYLES, strict=False):
        for xs, ys in curve:
            figure.plot(xs, ys, lc=shade, marker=marker)
    return figure
