"""A grid of small images, each under its title."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from funcnn.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# One image's place, and how much of a title in 8 points fits over it.
CELL_WIDTH = 1.2
CELL_HEIGHT = 1.25
LINE_HEIGHT = 0.15
LINE_CHARACTERS = 16


def image_grid(
    images: ArrayLike,
    titles: Sequence[str],
    *,
    columns: int = 8,
    title: str | None = None,
) -> "Figure":
    """Draw images side by side, each with a line of text above it.

    Args:
        images: shape (n, height, width), (n, height, width, 1) for grey or
            (n, height, width, 3) for red, green and blue; dtype uint8 (0 to 255), or
            any other real dtype with values in [0, 1]. Grey is black at the least.
        titles: n strings, such as "4, guessed 9"; long ones are wrapped.
        columns: how many images a row takes at most, at least 1.
        title: the figure's title; None for none.

    Returns:
        The figure with n axes; for n = 0, a figure that says "nothing to show".

    Raises:
        ValueError: if the numbers of images and titles differ, `columns` is below 1,
            or the images' shape or values are not as above.
    """
    pixels = np.asarray(images)
    count = len(pixels)
    if count != len(titles):
        raise ValueError(f"{count} images need as many titles, got {len(titles)}.")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}.")
    if count == 0:
        figure = new_figure(0.0, 1.5, title)
        figure.text(0.5, 0.5, "nothing to show", ha="center", va="center")
        return figure
    return _draw_grid(_unit_pixels(pixels), [_wrap(t) for t in titles], columns, title)


def _draw_grid(
    pixels: NDArray[np.float32], titles: list[str], columns: int, title: str | None
) -> "Figure":
    """Draw at least one checked image under its wrapped title."""
    columns = min(columns, len(pixels))
    rows = -(-len(pixels) // columns)
    lines = max(text.count("\n") + 1 for text in titles)
    height = rows * (CELL_HEIGHT + LINE_HEIGHT * lines)
    figure = new_figure(columns * CELL_WIDTH, height, title)
    for position, (picture, text) in enumerate(zip(pixels, titles, strict=True)):
        panel = figure.add_subplot(rows, columns, position + 1)
        # Fixed limits: the same grey means the same value in every image.
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set_title(text, fontsize=8, pad=3)
        panel.set_axis_off()
    return figure


def _unit_pixels(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return the images as (n, height, width) or (n, height, width, 3) in [0, 1]."""
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 3 and not (pixels.ndim == 4 and pixels.shape[-1] == 3):
        raise ValueError(
            "images must have shape (n, height, width), (n, height, width, 1) or "
            f"(n, height, width, 3), got {pixels.shape}."
        )
    if 0 in pixels.shape:
        raise ValueError(f"images must have pixels, got shape {pixels.shape}.")
    scale = 255.0 if pixels.dtype == np.uint8 else 1.0
    unit = pixels.astype(np.float32) / np.float32(scale)
    # Written so that NaN fails too.
    if not (unit.min() >= 0.0 and unit.max() <= 1.0):
        raise ValueError(
            "images must be uint8 or hold values in [0, 1]; got "
            f"{pixels.dtype} from {unit.min():.4g} to {unit.max():.4g}."
        )
    return unit


def _wrap(text: str) -> str:
    """Break a title into lines as narrow as its image."""
    return "\n".join(textwrap.fill(line, LINE_CHARACTERS) for line in text.splitlines())
