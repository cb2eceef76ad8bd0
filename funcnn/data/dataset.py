"""What every source of labelled images gives, and the error they raise."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class DataError(ValueError):
    """Data, or a request for data, which cannot be used as it stands."""


class Dataset(NamedTuple):
    """Labelled grey images, split into training and test examples.

    Attributes:
        train: images, float32 (n, height, width, 1) in [0, 1], and labels,
            int32 (n,) in 0..len(classes)-1.
        test: the same for the test examples, of the same height and width.
        classes: the name of each label.
    """

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: tuple[str, ...]


def make_dataset(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: int | Sequence[str] = 10,
    *,
    sources: tuple[str, str] = ("the training labels", "the test labels"),
) -> Dataset:
    """Make a `Dataset` from bytes.

    Args:
        train: images, uint8 (n, height, width) from 0 (black) to 255 (white),
            and labels, uint8 (n,).
        test: the same for the test examples.
        classes: the class names, or their number; then they are "0", "1", ...
        sources: what an error calls the training and the test labels.

    Returns:
        The data set, its pixels divided by 255.

    Raises:
        DataError: a label outside 0..classes-1, or no classes.
    """
    names = class_names(classes)
    for (_, labels), source in zip((train, test), sources, strict=True):
        check_labels(labels, len(names), source)
    return Dataset(_scaled(*train), _scaled(*test), names)


def class_names(classes: int | Sequence[str]) -> tuple[str, ...]:
    """Give the names of the classes: as they are, or "0", "1", ... for a number.

    Raises:
        DataError: there is not one class, or a single string was given (which
            would name a class for each of its letters).
    """
    if isinstance(classes, str):
        raise DataError(f"classes must be a number or several names, not {classes!r}")
    names = (
        tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
    )
    if not names:
        raise DataError(f"classes must number at least 1, not {classes!r}")
    return names


def check_labels(labels: np.ndarray, classes: int, source: str) -> None:
    """Check that every label names a class.

    Args:
        labels: integers (n,).
        classes: the number of classes; labels run from 0 to classes - 1.
        source: what the error calls the labels, such as their file.

    Raises:
        DataError: labels out of range; names the first of those farthest out.
    """
    if not len(labels):
        return
    # No copies in a wider type: they would take many times the memory of the labels.
    low, high = int(np.argmin(labels)), int(np.argmax(labels))
    outside = [(-int(labels[low]), -low), (int(labels[high]) - classes + 1, -high)]
    excess, place = max(outside)
    if excess > 0:
        bad = np.count_nonzero(labels < 0) + np.count_nonzero(labels >= classes)
        raise DataError(
            f"{source}: {bad} of {len(labels)} labels are outside 0..{classes - 1}; "
            f"the worst is {labels[-place]}, at index {-place}"
        )


def _scaled(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give float32 images with a channel axis, and int32 labels."""
    pixels = np.divide(images[..., np.newaxis], 255, dtype=np.float32)
    return pixels, labels.astype(np.int32)
