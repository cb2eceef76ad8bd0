"""The Matplotlib figure every drawing starts from, and how one is told apart."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from funcnn.plots.finite import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# At 12 points, a character of a title takes about a tenth of an inch.
TITLE_CHARACTERS_PER_INCH = 10
LEAST_WIDTH = 4.0
# Sharp enough for a notebook, and a file of less than about 100 kB.
DPI = 110
# A line of a legend in 9 points, a character of it, and its handle, in inches.
LEGEND_LINE, LEGEND_CHARACTER, LEGEND_HANDLE = 0.19, 0.085, 0.75

# Shows a dash on both sides of the marker.
HANDLE_LENGTH = 3.2

# Of a luminance that differs too, though dashes, markers and hatches tell in grey.
COLORS = ("#1f4e79", "#c2571a", "#3f8f3f", "#8e5ea2", "#b8921f", "#555555", "#4aa3b5")
MARKERS = ("o", "s", "^", "x", "D", "v", "+")
DASHES = ("-", "--", "-.", ":")
# Each marker comes with every dash before all three repeat.
MOST_STYLES = len(MARKERS) * len(DASHES)


def new_figure(width: float, height: float, title: str | None) -> "Figure":
    """Make an empty figure which cuts nothing off.

    Uses no pyplot: it works without a display and leaves no global state.

    Args:
        width: of the figure in inches; at least 4 are taken, so that a title fits.
        height: of the figure in inches, without the title's lines.
        title: the figure's title, wrapped to its width; None for none.

    Returns:
        The figure, in constrained layout, without axes.
    """
    from matplotlib.figure import Figure

    width = max(width, LEAST_WIDTH)
    wrapped = textwrap.wrap(title or "", int(width * TITLE_CHARACTERS_PER_INCH))
    figure = Figure(
        figsize=(width, height + 0.25 * len(wrapped)), dpi=DPI, layout="constrained"
    )
    if wrapped:
        figure.suptitle("\n".join(wrapped), fontsize=12)
    return figure


def empty_figure(title: str | None) -> "Figure":
    """Make the figure of no data.

    Args:
        title: as in `new_figure`.

    Returns:
        The figure, which says "nothing to show" and has no axes.
    """
    figure = new_figure(0.0, 1.5, title)
    figure.text(0.5, 0.5, "nothing to show", ha="center", va="center")
    return figure


def style(number: int) -> dict[str, Any]:
    """Choose how a series is drawn, so that no two look alike in grey.

    Args:
        number: of the series, from 0 to below 28.

    Returns:
        Keywords of `Axes.plot`: color, marker and linestyle.
    """
    turn, place = divmod(number, len(MARKERS))
    return {
        "color": COLORS[place],
        "marker": MARKERS[place],
        "linestyle": DASHES[(place + turn) % len(DASHES)],
    }


def set_x_axis(panel: "Axes", xs: NDArray[np.float64]) -> None:
    """Set limits and ticks of an axis of steps, epochs or other numbers.

    Args:
        panel: whose x axis it is.
        xs: float64 of shape (n,); only whole numbers get ticks if all are whole.
            Those that are not drawable count for nothing.
    """
    from matplotlib.ticker import MaxNLocator

    known = xs[drawable(xs)]
    whole = bool((known == np.round(known)).all())
    locator = MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=whole)
    panel.xaxis.set_major_locator(locator)
    if known.size:
        # Automatic limits go wrong for a single point and where no y is finite.
        margin = 0.05 * np.ptp(known) or max(1.0, 0.05 * abs(float(known[0])))
        panel.set_xlim(known.min() - margin, known.max() + margin)


def finish(panel: "Axes", x_label: str, y_label: str) -> None:
    """Add labels and a grid to a panel.

    Args:
        panel: whose data are drawn.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
    """
    panel.set_xlabel(x_label)
    panel.set_ylabel(y_label)
    panel.grid(color="0.9")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def legend_below(figure: "Figure", panel: "Axes") -> None:
    """Add a panel's legend under all axes, where it hides no data.

    The figure grows by its lines, so that the panel keeps its height.

    Args:
        figure: the figure, not wider than its legend's longest line of text.
        panel: whose labelled artists the legend explains; none if there are none.
    """
    handles, labels = panel.get_legend_handles_labels()
    if not handles:
        return
    width, height = figure.get_size_inches()
    most = int((width - LEGEND_HANDLE) / LEGEND_CHARACTER)
    wrapped = [textwrap.fill(label, most) for label in labels]
    longest = max(len(line) for text in wrapped for line in text.split("\n"))
    needed = longest * LEGEND_CHARACTER + LEGEND_HANDLE
    columns = min(len(labels), max(1, int(width / needed)))
    lines = sum(text.count("\n") + 1 for text in wrapped)
    figure.set_size_inches(width, height + LEGEND_LINE * (-(-lines // columns)))
    figure.legend(
        handles,
        wrapped,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handlelength=HANDLE_LENGTH,
    )
