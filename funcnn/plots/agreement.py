"""Two gradients of one function held against each other."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from funcnn.plots.figures import COLORS, empty_figure, finish, legend_below, new_figure
from funcnn.plots.finite import legend_label
from funcnn.plots.leaves import GradientLeaf, paired_leaves
from funcnn.plots.scales import set_error_axis, set_symmetric_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ENTRIES = 5_000
MOST_LEAVES = 24
NAME_CHARACTERS = 26
# Of the largest magnitude over that of the smallest twentieth: more needs logarithms.
LARGE_RANGE = 1e3


def gradient_agreement(
    manual: Any, automatic: Any, *, title: str | None = None
) -> "Figure":
    """Draw a hand-written gradient against the automatic one.

    Args:
        manual: a pytree of arrays of floats, such as a gradient by parameters.
        automatic: a pytree of the same structure and shapes.
        title: the figure's title; None for none.

    Returns:
        The figure. At the left, each manual entry against the automatic one, with the
        diagonal where they are equal; both axes are linear around 0 and logarithmic
        beyond where the range is large. Of more than 5,000 entries these are those
        with the largest errors and, evenly chosen, others. At the right, for each
        leaf, how the errors are distributed, in ULP: units in the last place, in the
        dtype of the manual leaf, of the largest entry of the automatic one (or of the
        manual one where all of that is 0). Of more than 24 leaves these are those
        with the largest errors. Entries without a finite value in both are counted
        and have no point. With no entries, it says "nothing to show".

    Raises:
        ValueError: if the structures or the shapes differ.
        TypeError: if a leaf is not of floats.
    """
    leaves = [leaf for leaf in paired_leaves(manual, automatic) if leaf.finite.size]
    if not leaves:
        return empty_figure(title)
    shown = leaves
    if len(leaves) > MOST_LEAVES:
        order = sorted(range(len(leaves)), key=lambda i: -leaves[i].worst)
        shown = [leaves[i] for i in sorted(order[:MOST_LEAVES])]
    lines = sum(_tick(leaf).count("\n") + 1 for leaf in shown)
    figure = new_figure(9.0, max(3.9, 1.3 + 0.2 * lines), title)
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.1])
    _draw_entries(left, leaves)
    _draw_errors(right, shown)
    if len(shown) < len(leaves):
        note = f"the {len(shown)} worst of {len(leaves)} leaves"
        right.set_xlabel(f"{right.get_xlabel()}\n({note})")
    legend_below(figure, right)
    return figure


def _draw_entries(panel: "Axes", leaves: list[GradientLeaf]) -> None:
    """Draw entry against entry."""
    manual = np.concatenate([leaf.manual for leaf in leaves])
    automatic = np.concatenate([leaf.automatic for leaf in leaves])
    finite = np.concatenate([leaf.finite for leaf in leaves])
    chosen = _chosen(np.concatenate([leaf.ulps for leaf in leaves]))
    count = f"{len(manual):,} {'entry' if len(manual) == 1 else 'entries'}"
    if len(chosen) < len(manual):
        count = f"{len(chosen):,} of {count}"
    both = np.concatenate([manual, automatic])
    ends = [both.min(initial=0.0), both.max(initial=0.0)]
    panel.plot(ends, ends, color="0.45", linewidth=1.0, label="equal")
    panel.plot(
        automatic[chosen],
        manual[chosen],
        label=legend_label(count, finite),
        linestyle="none",
        marker="o",
        markersize=4,
        markerfacecolor="none",
        color=COLORS[0],
    )
    finish(panel, "automatic gradient", "manual gradient")
    magnitudes = np.abs(both[both != 0])
    if magnitudes.size:
        small = float(np.quantile(magnitudes, 0.05))
        if magnitudes.max() > LARGE_RANGE * small:
            set_symmetric_log(panel, "x", both, small, most_ticks=3)
            set_symmetric_log(panel, "y", both, small)
    # The diagonal leaves this corner free.
    panel.legend(loc="upper left", frameon=False, fontsize=9)


def _chosen(ulps: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose which entries are drawn: half for their errors, half evenly."""
    if len(ulps) <= MOST_ENTRIES:
        return np.arange(len(ulps))
    half = MOST_ENTRIES // 2
    worst = np.argpartition(ulps, -half)[-half:]
    evenly = np.linspace(0, len(ulps) - 1, half).astype(np.int64)
    return np.union1d(worst, evenly)


def _tick(leaf: GradientLeaf) -> str:
    """Name a leaf at its axis, wrapped."""
    return textwrap.fill(legend_label(leaf.name, leaf.finite), NAME_CHARACTERS)


def _draw_errors(panel: "Axes", leaves: list[GradientLeaf]) -> None:
    """Draw how the errors of each leaf are distributed, the first leaf at the top."""
    places = -np.arange(len(leaves))
    rows = [
        np.quantile(leaf.ulps, [0.0, 0.25, 0.5, 0.75, 1.0])
        if leaf.ulps.size
        else np.full(5, np.nan)
        for leaf in leaves
    ]
    least, low, middle, high, most = np.array(rows).T
    panel.hlines(places, least, most, color="0.35", linewidth=1.0, label="all entries")
    panel.hlines(
        places, low, high, color="0.7", linewidth=6.0, label="middle half of them"
    )
    panel.plot(middle, places, "o", color=COLORS[0], markersize=5, label="median")
    panel.plot(most, places, "x", color=COLORS[1], markersize=6, label="largest")
    finish(panel, "error in ULP of the leaf's largest entry", "")
    panel.grid(axis="y", visible=False)
    panel.set_yticks(places, [_tick(leaf) for leaf in leaves], fontsize=9)
    panel.set_ylim(places[-1] - 0.7, 0.7)
    set_error_axis(panel, "x", most[np.isfinite(most)])
