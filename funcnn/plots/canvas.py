"""The text picture that curves and points share."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from funcnn.plots.finite import drawable, drawable_runs, legend_label
from funcnn.plots.ticks import text_axis

if TYPE_CHECKING:
    from plotille import Figure

# The marker and the colour of the first series, the second, and so on.
MARKERS = "ox+*#@"
COLORS = ("blue", "red", "green", "magenta", "cyan", "yellow")
# More markers than this would hide the line that joins them.
MARKERS_PER_SERIES = 20
# What Plotille writes left of the canvas, and right of it around the x label.
MARGIN = 19
X_SPACING, X_CHARACTERS = 10, 9
Y_SPACING, Y_CHARACTERS = 3, 10


@dataclass(frozen=True)
class TextSeries:
    """Points that share a marker.

    Attributes:
        name: for the legend.
        xs: float64 of shape (n,).
        ys: float64 of shape (n,).
        marker: one character.
        joined: whether a line joins the points.
    """

    name: str
    xs: NDArray[np.float64]
    ys: NDArray[np.float64]
    marker: str
    joined: bool


@dataclass(frozen=True)
class Frame:
    """All of a text picture but its series.

    Attributes:
        width: how many columns no line exceeds.
        height: of the drawing area in lines.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        title: a first line; None for none.
        color: whether to add ANSI escapes, where Plotille finds them fit.
    """

    width: int
    height: int
    x_label: str
    y_label: str
    title: str | None
    color: bool

    @property
    def width_inside(self) -> int:
        """How many columns are left for the drawing area."""
        return self.width - MARGIN - max(len(self.x_label), 3)


def text_picture(series: Sequence[TextSeries], frame: Frame) -> str:
    """Draw series as text.

    Args:
        series: what to draw; later ones over earlier ones.
        frame: how large, and with which words.

    Returns:
        Lines of text without a newline at the end; if no point is finite, they say
        "nothing to show".

    Raises:
        ValueError: if the width or the height is too small.
    """
    _check_size(frame)
    lines = textwrap.wrap(frame.title or "", frame.width) + _legend(series, frame)
    figure = _figure(series, frame)
    if figure is None:
        return "\n".join([*lines, "nothing to show: no finite values"])
    # Plotille's first line is a y label of at most 8 characters: put the full one.
    picture = figure.show().split("\n")[1:]
    if not any(one.joined for one in series):
        # Without braille lines, nothing hangs on the width of braille in a font.
        picture = [line.replace("\u2800", " ") for line in picture]
    lines += textwrap.wrap(frame.y_label, frame.width) + picture
    return "\n".join(line.rstrip(" \u2800") for line in lines)


def _check_size(frame: Frame) -> None:
    """Refuse what cannot be drawn."""
    if frame.width_inside < X_SPACING:
        needed = frame.width - frame.width_inside + X_SPACING
        raise ValueError(f"width must be at least {needed} columns, got {frame.width}.")
    if frame.height < Y_SPACING:
        raise ValueError(
            f"height must be at least {Y_SPACING} lines, got {frame.height}."
        )


def _legend(series: Sequence[TextSeries], frame: Frame) -> list[str]:
    """Write each series' marker and name: on one line if they fit."""
    import plotille

    plain, painted = [], []
    for number, one in enumerate(series):
        label = legend_label(one.name, drawable(one.xs) & drawable(one.ys))
        text = label if one.name == one.marker else f"{one.marker} {label}"
        plain.append(text[: frame.width])
        shade, colorless = _shade(number), not frame.color
        painted.append(plotille.color(plain[-1], fg=shade, no_color=colorless))
    one_line = len("   ".join(plain)) <= frame.width
    return ["   ".join(painted)] if one_line else painted


def _figure(series: Sequence[TextSeries], frame: Frame) -> "Figure | None":
    """Draw the series and the ticks; None if no point is finite."""
    import plotille

    runs = [list(drawable_runs(one.xs, one.ys)) for one in series]
    all_xs = [x for run in runs for xs, _ in run for x in xs]
    all_ys = [y for run in runs for _, ys in run for y in ys]
    if not all_xs:
        return None
    figure = plotille.Figure()
    figure.width, figure.height = frame.width_inside, frame.height
    figure.with_colors, figure.origin, figure.linesep = frame.color, False, "\n"
    figure.x_label = frame.x_label
    whole = all(x.is_integer() for x in all_xs)
    x_axis = text_axis(all_xs, frame.width_inside, X_SPACING, whole=whole)
    y_axis = text_axis(all_ys, frame.height, Y_SPACING, whole=False)
    figure.set_x_limits(x_axis.low, x_axis.high)
    figure.set_y_limits(y_axis.low, y_axis.high)
    figure.x_ticks_fkt = lambda value, _: x_axis.label(value, X_CHARACTERS)
    figure.y_ticks_fkt = lambda value, _: y_axis.label(value, Y_CHARACTERS)
    for number, (one, run) in enumerate(zip(series, runs, strict=True)):
        _add(figure, one, run, _shade(number))
    return figure


def _add(
    figure: "Figure",
    one: TextSeries,
    runs: list[tuple[list[float], list[float]]],
    shade: str,
) -> None:
    """Draw one series: its line, and above it its markers."""
    every = max(1, len(one.xs) // MARKERS_PER_SERIES) if one.joined else 1
    for xs, ys in runs:
        if one.joined:
            figure.plot(xs, ys, lc=shade)
        figure.scatter(xs[::every], ys[::every], lc=shade, marker=one.marker)


def _shade(number: int) -> str:
    return COLORS[number % len(COLORS)]
