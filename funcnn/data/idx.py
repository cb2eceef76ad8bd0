"""IDX, the file format of MNIST and its relatives, plain or gzipped.

A file is: two zero bytes, one byte for the type, one for the number of
dimensions, each dimension's size as a big-endian unsigned 32-bit integer, then
the elements, big-endian, last axis fastest. Source: Yann LeCun, "The MNIST
database of handwritten digits", http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from funcnn.data.dataset import DataError

_TYPES: dict[int, np.dtype] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 18
_MOST_DIMENSIONS = 64  # what NumPy can hold


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one IDX file.

    Whether it is gzipped is told by its content. Memory stays within a few
    times the size the header claims or the file has (gzipped, unpacks to), whichever is
    smaller.

    Args:
        path: the file.

    Returns:
        The array, of the file's shape, in the native byte order: uint8, int8,
        int16, int32, float32 or float64.

    Raises:
        DataError: the file is missing, unreadable, empty, not IDX, too short or
            too long for its header, named .gz but not gzipped, or corrupt gzip.
    """
    file = Path(path)
    with _opened(file) as stream:
        kind, shape = _read_header(stream, file)
        data = _read_data(stream, kind.itemsize * math.prod(shape), file)
    try:
        array = np.frombuffer(data, kind).reshape(shape)
    except ValueError as fault:  # such as (0, 2**32 - 1, 2**32 - 1)
        raise DataError(f"{file}: NumPy cannot hold shape {shape}: {fault}") from fault
    return array.astype(kind.newbyteorder("="), copy=False)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file, unzipping if need be, and turn its faults into DataErrors."""
    try:
        with file.open("rb") as raw:
            start = raw.peek(2)[:2]
            if not start:
                raise DataError(f"{file}: the file is empty")
            if start == _GZIP_MAGIC:
                with gzip.GzipFile(fileobj=raw) as unzipped:
                    yield cast(BinaryIO, unzipped)
            elif file.suffix.lower() == ".gz":
                raise DataError(f"{file}: not gzip, though its name ends in .gz")
            else:
                yield raw
    except FileNotFoundError as fault:
        raise DataError(f"{file}: no such file") from fault
    except (gzip.BadGzipFile, zlib.error, EOFError) as fault:
        raise DataError(f"{file}: corrupt gzip: {fault}") from fault
    except OSError as fault:
        raise DataError(f"{file}: cannot be read: {fault.strerror or fault}") from fault


def _read_header(stream: BinaryIO, file: Path) -> tuple[np.dtype, tuple[int, ...]]:
    """Read the type and the shape; the shape is in Python's unbounded integers."""
    magic = _read_exactly(stream, 4, "header", file)
    kind = _TYPES.get(magic[2])
    if magic[:2] != b"\0\0" or kind is None or magic[3] == 0:
        raise DataError(
            f"{file}: not an IDX file: begins with {magic.hex(' ')}, where IDX has "
            "00 00, a type (08, 09, 0b, 0c, 0d or 0e) and 1 or more dimensions"
        )
    if magic[3] > _MOST_DIMENSIONS:
        raise DataError(
            f"{file}: {magic[3]} dimensions; NumPy holds at most {_MOST_DIMENSIONS}"
        )
    sizes = _read_exactly(stream, 4 * magic[3], "header", file)
    return kind, tuple(np.frombuffer(sizes, ">u4").tolist())


def _read_data(stream: BinaryIO, needed: int, file: Path) -> bytearray:
    """Read the elements' bytes and see that nothing follows them."""
    data = _read_exactly(stream, needed, "data", file)
    # Reading to the end is also what makes gzip check its CRC.
    if stream.read(1):
        raise DataError(f"{file}: extra bytes after the {needed} of its data")
    return data


def _read_exactly(stream: BinaryIO, needed: int, part: str, file: Path) -> bytearray:
    """Read so many bytes, in chunks: `read(n)` allocates n bytes at once."""
    data = bytearray()
    while len(data) < needed:
        chunk = stream.read(min(_CHUNK_BYTES, needed - len(data)))
        if not chunk:
            came = f"{len(data)} bytes came, {needed} are needed"
            raise DataError(f"{file}: truncated {part}: {came}")
        data += chunk
    return data
