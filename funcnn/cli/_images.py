"""Images from PNG and IDX files, as a model was trained to see them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from funcnn.data import DataError, read_idx

# Others that Pillow knows start programs, or take memory before their size is known.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP")
_MOST_PIXELS = 1 << 26
_MOST_PER_BYTE = 8 * 1032  # pixels of a bit each, at deflate's highest compression
_STRIP = 1 << 16  # pixels


def read_images(path: Path, shape: tuple[int, ...]) -> list[tuple[str, np.ndarray]]:
    """The images of a file with a name each, float32 of `shape`, in [0, 1].

    An IDX file holds one image (height, width) or many (n, height, width). A PNG,
    JPEG, GIF or BMP picture is made grey, scaled to the model's size and, if its
    rim is bright, inverted: models see light strokes on a dark ground.

    Raises:
      DataError: naming the file and the fault.
    """
    if _is_idx(path):
        return _from_idx(path, shape)
    return [(str(path), _from_picture(path, shape))]


def _is_idx(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(2)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    return start in (b"\0\0", b"\x1f\x8b")  # IDX's magic, or gzip's


def _from_idx(path: Path, shape: tuple[int, ...]) -> list[tuple[str, np.ndarray]]:
    array = read_idx(path)
    images = array[None] if array.ndim == 2 else array
    if images.dtype != np.uint8 or images.shape[1:] != shape[:2]:
        raise DataError(
            f"{path}: needs images of {shape[0]} x {shape[1]} unsigned bytes, "
            f"got {array.dtype} {array.shape}"
        )
    scaled = (images / np.float32(255)).reshape(-1, *shape)
    return [(f"{path}[{i}]", image) for i, image in enumerate(scaled)]


def _from_picture(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    height, width, _ = shape
    flat = _grey(path)
    grey = np.asarray(flat.resize((width, height)), np.float32) / 255
    rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return (1 - grey if rim.mean() > 0.5 else grey).reshape(shape)


def _grey(path: Path) -> Any:
    """The picture of a file, in grey: at most ten bytes for each of its pixels.

    Its pixels are compressed, and may take a thousand times the file's size. How many
    they are is known before memory is taken for them.
    """
    from PIL import Image, PngImagePlugin

    # Texts beside the pixels, which nobody reads, are unpacked too.
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 1 << 16
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path, formats=_FORMATS)
        with picture:
            _check_pixels(picture.size, path.stat().st_size)
            return _on_white(picture)
    except Exception as error:  # a damaged file makes Pillow raise whatever there is
        reason = str(error) or repr(error)
        raise DataError(f"{path}: not an image that can be read: {reason}") from error


def _check_pixels(size: tuple[int, int], content: int) -> None:
    """Refuses pixels that are too many, or more than the file can have."""
    pixels = size[0] * size[1]
    if pixels > _MOST_PIXELS:
        most = f"{_MOST_PIXELS:,} pixels are the most"
        raise ValueError(f"{size[0]} x {size[1]}, but {most}")
    if pixels > _MOST_PER_BYTE * content:
        raise ValueError(f"{size[0]} x {size[1]} pixels cannot be in {content} bytes")


def _on_white(picture: Any) -> Any:
    """The picture in grey, a transparent one as a viewer shows it."""
    from PIL import Image

    width, height = picture.size
    clear = "A" in picture.getbands() or "transparency" in picture.info
    grey = Image.new("L", picture.size)
    rows = max(1, _STRIP // max(1, width))
    for top in range(0, height, rows):  # in strips: a copy in colour takes more memory
        strip = picture.crop((0, top, width, min(top + rows, height)))
        if clear:
            white = Image.new("RGBA", strip.size, "white")
            white.alpha_composite(strip.convert("RGBA"))
            strip = white
        grey.paste(strip.convert("L"), (0, top))
    return grey
