"""Images from PNG and IDX files, as a model was trained to see them."""

from pathlib import Path

import numpy as np

from funcnn.data import DataError, read_idx


def read_images(path: Path, shape: tuple[int, ...]) -> list[tuple[str, np.ndarray]]:
    """The images of a file with a name each, float32 of `shape`, in [0, 1].

    An IDX file holds one image (height, width) or many (n, height, width). Anything
    else is opened with Pillow, made grey, scaled to the model's size and, if its
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
    from PIL import Image

    height, width, _ = shape
    try:
        with Image.open(path) as picture:
            flat = _on_white(picture).convert("L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not an image that can be read: {error}") from error
    grey = np.asarray(flat.resize((width, height)), np.float32) / 255
    rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return (1 - grey if rim.mean() > 0.5 else grey).reshape(shape)


def _on_white(picture):  # noqa: ANN001, ANN202
    """A transparent picture as a viewer shows it."""
    from PIL import Image

    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture.convert("RGBA"))
    return white
