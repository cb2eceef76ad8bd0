"""A folder of the four IDX files in which MNIST and its relatives come."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from funcnn.data.dataset import DataError, Dataset, class_names, make_dataset
from funcnn.data.idx import read_idx

_Split = tuple[np.ndarray, np.ndarray]


def load_idx_folder(
    path: str | os.PathLike[str], *, classes: int | Sequence[str] = 10
) -> Dataset:
    """Read a data set from its four IDX files.

    They are train-images-idx3-ubyte, train-labels-idx1-ubyte,
    t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte; each may end in .gz, and
    may have a dot for its last but one hyphen (train-images.idx3-ubyte). When a
    file stands there in several forms, the plain one is read.

    Args:
        path: the folder.
        classes: the class names, such as `FASHION_MNIST_CLASSES`, or their
            number; then they are "0", "1", ...

    Returns:
        The data set.

    Raises:
        DataError: the folder or a file is missing; a file is damaged (see
            `read_idx`) or of the wrong kind; images and labels differ in
            number, or training and test images in size; there are no examples;
            labels outside 0..classes-1.
    """
    names = class_names(classes)
    folder = Path(path)
    if not os.path.exists(folder):
        raise DataError(f"{folder}: no such folder")
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: not a folder")
    train, train_source = _read_split(folder, "train")
    test, test_source = _read_split(folder, "t10k")
    if train[0].shape[1:] != test[0].shape[1:]:
        sizes = f"{_size(train[0])} for training, {_size(test[0])} for testing"
        raise DataError(f"{folder}: the images differ in size: {sizes}")
    return make_dataset(train, test, names, sources=(train_source, test_source))


def _read_split(folder: Path, prefix: str) -> tuple[_Split, str]:
    """Read the images and labels of one split, and give the labels' file too."""
    images_file = _find(folder, f"{prefix}-images", "idx3-ubyte")
    labels_file = _find(folder, f"{prefix}-labels", "idx1-ubyte")
    images = _read_bytes(images_file, 3)
    labels = _read_bytes(labels_file, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_file} has {len(images)} images, "
            f"but {labels_file} has {len(labels)} labels"
        )
    if images.size == 0:
        raise DataError(f"{images_file}: no examples: its shape is {images.shape}")
    return (images, labels), str(labels_file)


def _find(folder: Path, stem: str, suffix: str) -> Path:
    """Find a file under any of the names in use."""
    names = [f"{stem}{dot}{suffix}{gz}" for gz in ("", ".gz") for dot in "-."]
    for name in names:
        if os.path.isfile(folder / name):
            return folder / name
    raise DataError(f"{folder}: none of these files is there: {', '.join(names)}")


def _read_bytes(file: Path, dimensions: int) -> np.ndarray:
    """Read an IDX file which must hold unsigned bytes in so many dimensions."""
    array = read_idx(file)
    if array.dtype != np.uint8 or array.ndim != dimensions:
        raise DataError(
            f"{file}: must hold unsigned bytes in {dimensions} dimension(s), "
            f"but holds {array.dtype} in {array.ndim}"
        )
    return array


def _size(images: np.ndarray) -> str:
    """Say the height and width of images (n, height, width)."""
    return f"{images.shape[1]} x {images.shape[2]} pixels"
