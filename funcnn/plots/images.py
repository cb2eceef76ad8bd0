"""Grids of small images, each under its title."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from funcnn.plots.figures import empty_figure, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# One image's place, and how much of a title in 8 points fits over it.
CELL_WIDTH = 1.2
CELL_HEIGHT = 1.3
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
        return empty_figure(title)
    return _draw_grid(_unit_pixels(pixels), [_wrap(t) for t in titles], columns, title)


def guesses(
    images: ArrayLike,
    truths: ArrayLike,
    guesses: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    columns: int = 8,
    title: str | None = None,
) -> "Figure":
    """Draw images under what they are and what they were taken for.

    Every title is of the form "4, guessed 9", whether the guess is right or wrong.

    Args:
        images: n images, as `image_grid` takes them.
        truths: shape (n,), integer (or bool) numbers of the true classes.
        guesses: shape (n,), integer (or bool) numbers of the guessed classes.
        classes: the name of each class; None to show the numbers.
        columns: how many images a row takes at most, at least 1.
        title: the figure's title; None for none.

    Returns:
        The figure with n axes; for n = 0, a figure that says "nothing to show".

    Raises:
        ValueError: if images, truths and guesses are not of one number, truths or
            guesses are not whole numbers or name no class, or as `image_grid` does.
    """
    count = len(np.asarray(images))
    true_names = _class_names("truths", truths, count, classes)
    guessed_names = _class_names("guesses", guesses, count, classes)
    pairs = zip(true_names, guessed_names, strict=True)
    titles = [f"{true}, guessed {guessed}" for true, guessed in pairs]
    return image_grid(images, titles, columns=columns, title=title)


def _class_names(
    name: str, numbers: ArrayLike, count: int, classes: Sequence[str] | None
) -> list[str]:
    """Name the class of each image."""
    array = np.asarray(numbers)
    if array.shape != (count,):
        raise ValueError(
            f"{count} images need {name} of shape ({count},), got {array.shape}."
        )
    if count and array.dtype != bool and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be integer class numbers, got {array.dtype}.")
    chosen = [int(number) for number in array]
    if classes is None:
        return [str(number) for number in chosen]
    for position, number in enumerate(chosen):
        if not 0 <= number < len(classes):
            raise ValueError(
                f"{name}[{position}] must be a class from 0 to {len(classes) - 1}, "
                f"got {number}."
            )
    return [str(classes[number]) for number in chosen]


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
