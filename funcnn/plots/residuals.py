"""What a forward pass keeps for its backward pass, as bars."""

import operator
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from funcnn.plots.figures import empty_figure, legend_below, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
NAME_CHARACTERS = 28
BAR = 0.38


def residual_bytes(
    bytes_by_op: Mapping[str, tuple[int, int]], *, title: str | None = None
) -> "Figure":
    """Draw how many bytes are kept from forward to backward pass, by two ways.

    Args:
        bytes_by_op: name -> (manual, automatic): bytes that the hand-written rule
            keeps, and bytes that automatic differentiation keeps; whole numbers.
        title: the figure's title; None for none.

    Returns:
        The figure with two bars for each name, and their numbers in B, KiB, MiB and
        so on (powers of 1024); the name that saves most by hand is at the top. With
        no names, it says "nothing to show".

    Raises:
        ValueError: if bytes are negative or there are not two.
        TypeError: if bytes are not whole numbers.
    """
    pairs = {name: _pair(name, given) for name, given in bytes_by_op.items()}
    if not pairs:
        return empty_figure(title)
    names = sorted(pairs, key=lambda name: pairs[name][0] - pairs[name][1])
    wrapped = [textwrap.fill(name, NAME_CHARACTERS) for name in names]
    lines = sum(max(2, text.count("\n") + 1) for text in wrapped)
    figure = new_figure(7.0, max(1.6, 0.8 + 0.21 * lines), title)
    panel = figure.add_subplot()
    largest = max(max(pair) for pair in pairs.values())
    _, unit, divisor = _scaled(largest)
    _draw(panel, [pairs[name] for name in names], divisor)
    panel.set_yticks(np.arange(len(names)), wrapped)
    panel.set_ylim(len(names) - 0.4, -0.6)  # downwards
    # Room for the numbers at the ends of the bars.
    panel.set_xlim(0, 1.18 * largest / divisor or 1.0)
    panel.set_xlabel(f"kept from forward to backward pass in {unit}")
    panel.grid(axis="x", color="0.9")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    legend_below(figure, panel)
    return figure


def _pair(name: str, given: tuple[int, int]) -> tuple[int, int]:
    """Check the bytes of one name."""
    if np.ndim(given) != 1 or len(given) != 2:
        raise ValueError(
            f"bytes_by_op[{name!r}] must be (manual, automatic), got {given!r}."
        )
    try:
        manual, automatic = map(operator.index, given)
    except TypeError:
        raise TypeError(
            f"bytes_by_op[{name!r}] must be whole numbers of bytes, got {given!r}."
        ) from None
    if manual < 0 or automatic < 0:
        raise ValueError(f"bytes_by_op[{name!r}] must not be negative, got {given!r}.")
    return manual, automatic


def _draw(panel: "Axes", pairs: list[tuple[int, int]], divisor: int) -> None:
    """Add both bars of every name, the manual one above, with their numbers."""
    places = np.arange(len(pairs))
    sides = (("manual", -BAR / 2, "#1f4e79"), ("automatic", BAR / 2, "#f6d5b8"))
    for column, (label, shift, shade) in enumerate(sides):
        sizes = [pair[column] for pair in pairs]
        bars = panel.barh(
            places + shift,
            [size / divisor for size in sizes],
            BAR,
            label=label,
            color=shade,
            edgecolor="black",
            linewidth=0.6,
        )
        texts = [_scaled(size)[0] for size in sizes]
        panel.bar_label(bars, texts, padding=3, fontsize=8)


def _scaled(size: int) -> tuple[str, str, int]:
    """Write a number of bytes; its unit, and how many bytes that is."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(UNITS) - 1)
    divisor = 1024**power
    return f"{size / divisor:.4g} {UNITS[power]}", UNITS[power], divisor
