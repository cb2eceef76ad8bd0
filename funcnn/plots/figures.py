"""The Matplotlib figure every drawing starts from."""

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# At 12 points, a character of a title takes about a tenth of an inch.
TITLE_CHARACTERS_PER_INCH = 10
LEAST_WIDTH = 4.0


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
        figsize=(width, height + 0.25 * len(wrapped)), dpi=150, layout="constrained"
    )
    if wrapped:
        figure.suptitle("\n".join(wrapped), fontsize=12)
    return figure
