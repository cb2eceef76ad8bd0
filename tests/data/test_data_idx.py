"""`read_idx`: what it reads and what it refuses."""

import gzip
import math

import numpy as np
import pytest
from idx_files import TYPES, VALID, header, idx, refused

from funcnn.data import read_idx


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_every_type_comes_back_in_native_order(write, code, compress):
    expected = np.array([[1, 2, 100], [0, 127, -128 if code > 0x08 else 255]])
    read = read_idx(write(compress(idx(code, expected))))
    assert read.dtype == TYPES[code]
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (1, 2, 1, 3, 2), (0,), (3, 0, 2)])
def test_every_shape(write, shape):
    expected = np.arange(math.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(read_idx(write(idx(0x0C, expected))), expected)


def test_gzip_is_told_by_content_not_by_name(write):
    path = write(gzip.compress(VALID), "images")
    assert read_idx(str(path)).shape == (2, 3, 4)


def test_what_is_read_can_be_written_to(write):
    array = read_idx(write(VALID))
    array[0] = 7
    assert (array[0] == 7).all()


def test_missing(tmp_path):
    refused(tmp_path / "absent", "no such file")


def test_a_folder_cannot_be_read(tmp_path):
    refused(tmp_path, "cannot be read", "directory")


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_empty(write, name):
    refused(write(b"", name), "empty")


@pytest.mark.parametrize("name", ["file.gz", "FILE.GZ"])
def test_named_gz_but_plain(write, name):
    refused(write(VALID, name), "not gzip")


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (3, ("truncated header", "3 bytes came, 4 are needed")),
        (15, ("truncated header", "11 bytes came, 12 are needed")),
        (16, ("truncated data", "0 bytes came, 24 are needed")),
        (39, ("truncated data", "23 bytes came, 24 are needed")),
    ],
)
def test_truncated(write, compress, kept, words):
    refused(write(compress(VALID[:kept])), *words)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_extra_bytes(write, compress):
    refused(write(compress(VALID + b"x")), "extra bytes", "24")


@pytest.mark.parametrize(
    "magic", [b"\0\0\x0a\1", b"\1\0\x08\1", b"\0\1\x08\1", b"\0\0\x08\0", b"<htm"]
)
def test_wrong_magic(write, magic):
    refused(write(magic + VALID[4:]), "not an IDX file", magic.hex(" "))


def test_gzip_cut_short(write):
    refused(write(gzip.compress(VALID)[:-9]), "corrupt gzip")


def test_gzip_with_a_wrong_checksum(write):
    content = bytearray(gzip.compress(VALID))
    content[-8] ^= 1
    refused(write(bytes(content)), "corrupt gzip", "CRC")


def test_gzip_followed_by_something_else(write):
    refused(write(gzip.compress(VALID) + b"something"), "corrupt gzip")


def test_gzip_with_a_broken_stream(write):
    refused(write(gzip.compress(VALID)[:10] + b"\xff" * 20), "corrupt gzip")


@pytest.mark.parametrize("dimensions", [65, 255])
def test_more_dimensions_than_numpy_has(write, dimensions):
    content = header(0x08, *[1] * dimensions) + b"x"
    refused(write(content), f"{dimensions} dimensions", "64")


def test_as_many_dimensions_as_numpy_has(write):
    assert read_idx(write(header(0x08, *[1] * 64) + b"x")).ndim == 64


def test_an_empty_shape_too_large_for_numpy(write):
    refused(write(header(0x0E, 0, 2**32 - 1, 2**32 - 1)), "cannot hold shape")
