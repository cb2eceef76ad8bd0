"""IDX files, plain and gzipped, alone and as a folder of four."""

import contextlib
import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz._mutations import EXTREMES, damaged
from benchmarks.fuzz._target import Files, Target, total
from funcnn.data import DataError, load_idx_folder, read_idx

_TYPES = {8: ">u1", 9: ">i1", 0xB: ">i2", 0xC: ">i4", 0xD: ">f4", 0xE: ">f8"}
_MOST_UNPACKED = 64 << 20


def header(code: int, *sizes: int) -> bytes:
    """The bytes before the data."""
    count = min(len(sizes), 255)
    return bytes([0, 0, code, count]) + struct.pack(f">{len(sizes)}I", *sizes)


def _valid(code: int, *sizes: int) -> bytes:
    numbers = np.arange(np.prod(sizes)) % 10
    return header(code, *sizes) + numbers.astype(_TYPES[code]).tobytes()


_PLAIN = [_valid(code, 2, 3, 2) for code in _TYPES] + [_valid(8, 30), _valid(8, 0)]
_PACKED = [gzip.compress(content, mtime=0) for content in _PLAIN]


@st.composite
def _claims(draw: Callable[[Any], Any]) -> bytes:
    """A header that claims anything, and few bytes after it, or many packed ones."""
    code = draw(st.sampled_from([*_TYPES, 0, 7, 255]))
    sizes = draw(st.lists(EXTREMES.map(lambda n: n & 0xFFFFFFFF), max_size=70))
    content = header(code, *sizes) + draw(st.binary(max_size=32))
    if draw(st.integers(0, 19)) == 0:
        content += bytes(draw(st.sampled_from([1 << 12, 1 << 20, 1 << 24])))
    return draw(st.sampled_from([bytes, _gzip, _many_members]))(content)


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _many_members(content: bytes) -> bytes:
    """Many empty parts, and the file's bytes each in a part of its own."""
    parts = [gzip.compress(content[i : i + 1], mtime=0) for i in range(40)]
    return gzip.compress(b"", mtime=0) * 200 + b"".join(parts) + _gzip(content[40:])


def unpacked(content: bytes) -> int:
    """What a file of IDX unpacks to, as far as its header claims."""
    if content[:2] != b"\x1f\x8b":
        return len(content)
    plain = bytearray()
    parts = gzip.GzipFile(fileobj=io.BytesIO(content))
    with contextlib.suppress(OSError, EOFError, zlib.error):
        while len(plain) < _MOST_UNPACKED and (part := parts.read(1 << 16)):
            plain += part
    rank = plain[3] if len(plain) > 3 else 0
    sizes = [int.from_bytes(plain[4 + 4 * i : 8 + 4 * i]) for i in range(rank)]
    claimed = 4 + 4 * rank + int(np.prod(np.array(sizes, object))) * 8
    return max(len(content), min(len(plain), claimed))


def _single() -> st.SearchStrategy[Files]:
    content = damaged(_PLAIN) | damaged(_PACKED) | _claims()
    packed = damaged(_PLAIN).map(_gzip)
    name = st.sampled_from(["x", "x", "x.gz"])
    return st.builds(lambda n, c: {n: c}, name, content | packed)


def _read(folder: Path) -> object:
    (file,) = folder.iterdir()
    return read_idx(file)


_NAMES = {
    "train-images-idx3-ubyte": _valid(8, 3, 2, 2),
    "train-labels-idx1-ubyte": _valid(8, 3),
    "t10k-images-idx3-ubyte": _valid(8, 2, 2, 2),
    "t10k-labels-idx1-ubyte": _valid(8, 2),
}


@st.composite
def _folders(draw: Callable[[Any], Any]) -> Files:
    files = dict(_NAMES)
    if draw(st.integers(0, 49)) == 0:  # as many images as can be of so many bytes
        count = draw(st.sampled_from([1000, 300_000]))
        files["train-images-idx3-ubyte"] = _valid(8, count, 1, 1)
        files["train-labels-idx1-ubyte"] = _valid(8, count)
        files["t10k-images-idx3-ubyte"] = _valid(8, 2, 1, 1)
    for name in draw(st.lists(st.sampled_from(list(_NAMES)), max_size=2)):
        files[name] = draw(st.sampled_from(_PLAIN) | damaged([files[name]]))
    return files


TARGETS = [
    Target(
        "idx",
        _single(),
        _read,
        (DataError,),
        valid={"x": _PLAIN[0]},
        main="x",
        share=30,
        size=lambda files: sum(map(unpacked, files.values())),
    ),
    Target(
        "idx folder",
        _folders(),
        load_idx_folder,
        (DataError,),
        valid=_NAMES,
        main="train-labels-idx1-ubyte",
        share=10,
        size=total,
    ),
]
