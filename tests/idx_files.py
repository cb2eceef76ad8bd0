"""IDX files made for the tests."""

import struct

import numpy as np
import pytest

from funcnn.data import DataError, read_idx

TYPES = {
    0x08: np.uint8,
    0x09: np.int8,
    0x0B: np.int16,
    0x0C: np.int32,
    0x0D: np.float32,
    0x0E: np.float64,
}


def header(code, *sizes):
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def idx(code, array):
    big_endian = array.astype(np.dtype(TYPES[code]).newbyteorder(">"))
    return header(code, *array.shape) + big_endian.tobytes()


VALID = idx(0x08, np.arange(24).reshape(2, 3, 4))


def refused(path, *words):
    with pytest.raises(DataError) as caught:
        read_idx(path)
    name, fault = str(path), str(caught.value)
    assert fault.startswith(name)
    for word in words:
        assert word in fault.removeprefix(name)
