"""`load_idx_folder`."""

import gzip
import shutil
import struct

import numpy as np
import pytest

from funcnn.data import FASHION_MNIST_CLASSES, DataError, load_idx_folder

FILES = {
    "train-images-idx3-ubyte": np.arange(5 * 3 * 2).reshape(5, 3, 2),
    "train-labels-idx1-ubyte": np.array([9, 0, 1, 2, 3]),
    "t10k-images-idx3-ubyte": 255 - np.arange(2 * 3 * 2).reshape(2, 3, 2),
    "t10k-labels-idx1-ubyte": np.array([4, 5]),
}


def write(path, array, code=8):
    kind = {8: ">u1", 11: ">i2"}[code]
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    content = bytes([0, 0, code, array.ndim]) + sizes + array.astype(kind).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def folder(tmp_path):
    for name, array in FILES.items():
        write(tmp_path / name, array)
    return tmp_path


def refused(folder, *words, classes=10):
    with pytest.raises(DataError) as caught:
        load_idx_folder(folder, classes=classes)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-idx", ".idx"])
def test_a_folder_under_every_name_in_use(tmp_path, gz, dot):
    for name, array in FILES.items():
        write(tmp_path / (name.replace("-idx", dot) + gz), array)
    data = load_idx_folder(str(tmp_path))
    for split, prefix in ((data.train, "train"), (data.test, "t10k")):
        images, labels = split
        assert images.dtype == np.float32
        assert labels.dtype == np.int32
        expected = FILES[f"{prefix}-images-idx3-ubyte"][..., None]
        np.testing.assert_array_equal(images, np.float32(expected) / np.float32(255))
        np.testing.assert_array_equal(labels, FILES[f"{prefix}-labels-idx1-ubyte"])
    assert data.classes == tuple("0123456789")


def test_the_plain_file_goes_before_the_gzipped(folder):
    write(folder / "t10k-labels-idx1-ubyte.gz", np.array([1, 1]))
    assert load_idx_folder(folder).test[1].tolist() == [4, 5]


def test_class_names(folder):
    data = load_idx_folder(folder, classes=FASHION_MNIST_CLASSES)
    assert data.classes[data.train[1][0]] == "Ankle boot"
    assert load_idx_folder(folder, classes=12).classes[-1] == "11"


@pytest.mark.parametrize("classes", [0, -1, [], "names"])
def test_useless_classes(folder, classes):
    refused(folder, "classes must", repr(classes), classes=classes)


def test_missing_folder(tmp_path):
    refused(tmp_path / "absent", str(tmp_path / "absent"), "no such folder")


def test_a_file_for_a_folder(folder):
    refused(folder / "t10k-labels-idx1-ubyte", "not a folder")


@pytest.mark.parametrize("name", FILES)
def test_missing_file(folder, name):
    (folder / name).unlink()
    dotted = name.replace("-idx", ".idx")
    refused(folder, f"{name}, {dotted}, {name}.gz, {dotted}.gz")


@pytest.mark.parametrize("name", FILES)
def test_damaged_file(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    refused(folder, str(folder / name), "truncated")


def test_labels_for_images(folder):
    labels = folder / "train-labels-idx1-ubyte"
    shutil.copy(labels, folder / "train-images-idx3-ubyte")
    refused(folder, "train-images-idx3-ubyte", "in 3 dim", "holds uint8 in 1")


def test_images_for_labels(folder):
    images = folder / "t10k-images-idx3-ubyte"
    shutil.copy(images, folder / "t10k-labels-idx1-ubyte")
    refused(folder, "t10k-labels-idx1-ubyte", "in 1 dim", "holds uint8 in 3")


@pytest.mark.parametrize("name", FILES)
def test_shorts_for_bytes(folder, name):
    write(folder / name, FILES[name], code=11)
    refused(folder, name, "unsigned bytes", "int16")


def test_counts_that_differ(folder):
    write(folder / "train-labels-idx1-ubyte", np.arange(4))
    refused(
        folder,
        f"{folder / 'train-images-idx3-ubyte'} has 5 images",
        f"{folder / 'train-labels-idx1-ubyte'} has 4 labels",
    )


def test_image_sizes_that_differ(folder):
    write(folder / "t10k-images-idx3-ubyte", np.zeros((2, 2, 3)))
    refused(folder, "3 x 2 pixels for training", "2 x 3 pixels for testing")


def test_no_examples(folder):
    write(folder / "t10k-images-idx3-ubyte", np.zeros((0, 3, 2)))
    write(folder / "t10k-labels-idx1-ubyte", np.zeros(0))
    refused(folder, "t10k-images-idx3-ubyte", "no examples", "(0, 3, 2)")


def test_images_of_no_pixels(folder):
    write(folder / "train-images-idx3-ubyte", np.zeros((5, 0, 2)))
    refused(folder, "train-images-idx3-ubyte", "(5, 0, 2)")


@pytest.mark.parametrize("prefix", ["train", "t10k"])
def test_labels_out_of_range(folder, prefix):
    name = f"{prefix}-labels-idx1-ubyte"
    labels = FILES[name].copy()
    labels[:2] = 10, 200
    write(folder / name, labels)
    refused(folder, str(folder / name), "2 of", "outside 0..9", "200, at index 1")
