"""`Dataset`, the embedded digits, and what importing the room imports."""

import subprocess
import sys

import numpy as np
import pytest

from funcnn.data import DataError, Dataset, digits
from funcnn.data.dataset import make_dataset


def test_importing_the_room_imports_only_numpy_and_jax():
    code = (
        "import sys, funcnn.data; "
        "print({'pooch', 'rich', 'requests', 'matplotlib'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert printed.stdout.strip() == b"set()", printed.stderr


def test_digits():
    data = digits()
    assert isinstance(data, Dataset)
    assert data.train[0].shape == (9000, 28, 28, 1)
    assert data.test[0].shape == (1000, 28, 28, 1)
    assert data.classes == tuple("0123456789")
    for images, labels in (data.train, data.test):
        assert images.dtype == np.float32
        assert (images.min(), images.max()) == (0, 1)
        assert labels.dtype == np.int32
        assert labels.shape == images.shape[:1]
        assert set(labels.tolist()) == set(range(10))


def test_digits_begin_and_end_as_in_the_file():
    data = digits()
    assert data.train[1][:8].tolist() == [3, 8, 1, 0, 4, 0, 9, 3]
    assert np.bincount(data.test[1]).tolist() == [
        *(124, 111, 99, 92, 104),
        *(90, 98, 93, 97, 92),
    ]


def test_digits_can_be_written_to_without_changing_the_next():
    digits().train[0][:] = 2
    assert digits().train[0].max() == 1


def test_negative_labels_and_their_source():
    images, labels = np.zeros((3, 1, 1), np.uint8), np.array([0, -7, 4], np.int8)
    with pytest.raises(DataError, match=r"mine: 2 of 3 .*0\.\.2; .* -7, at index 1"):
        make_dataset((images, labels), (images, labels), 3, sources=("mine", "yours"))


def test_the_largest_label_is_in_range():
    images, labels = np.zeros((2, 1, 1), np.uint8), np.array([0, 2], np.uint8)
    data = make_dataset((images, labels), (images, labels), ["a", "b", "c"])
    assert data.classes == ("a", "b", "c")
