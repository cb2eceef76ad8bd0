"""Pictures, as `funcnn predict` is given them."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzz._mutations import EXTREMES, damaged
from benchmarks.fuzz._target import Files, Target
from funcnn.cli._images import read_images
from funcnn.data import DataError

SHAPE = (8, 8, 1)
_MAGIC = b"\x89PNG\r\n\x1a\n"
_MOST_PACKED = 1032  # bytes that one byte of deflate can become


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file, with the right checksum."""
    return struct.pack(">I", len(data)) + kind + data + _crc(kind + data)


def _crc(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


def png(
    width: int, height: int, depth: int, color: int, *parts: bytes, interlace: int = 0
) -> bytes:
    """A PNG file of this header and these parts."""
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    return _MAGIC + chunk(b"IHDR", head) + b"".join(parts) + chunk(b"IEND", b"")


def _saved(mode: str, kind: str, **options: Any) -> bytes:
    numbers = np.random.default_rng(0).integers(0, 256, (9, 7, 4)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(numbers, "RGBA").convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


_MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]
_VALID = [_saved(mode, "PNG") for mode in _MODES]
_OTHERS = [_saved("RGB", "JPEG"), _saved("P", "GIF"), _saved("RGB", "BMP")]
_OTHERS += [_saved("RGB", kind) for kind in ("TIFF", "PPM", "ICO", "TGA", "PCX", "EPS")]
_KINDS = [
    b"PLTE",
    b"tRNS",
    b"gAMA",
    b"iCCP",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"eXIf",
    b"pHYs",
]
_KINDS += [
    b"acTL",
    b"fcTL",
    b"fdAT",
    b"IDAT",
    b"IEND",
    b"IHDR",
    b"sRGB",
    b"cHRM",
    b"abcd",
]


@st.composite
def _made(draw: Callable[[Any], Any]) -> bytes:
    """A file whose checksums are right, and whose header claims anything."""
    small, extreme = st.integers(0, 20), EXTREMES.map(lambda n: n & 0xFFFFFFFF)
    width, height = draw(small | extreme), draw(small | extreme)
    depth = draw(st.sampled_from([1, 2, 4, 8, 16, 3, 255]))
    color = draw(st.sampled_from([0, 2, 3, 4, 6, 7]))
    data = draw(st.sampled_from([b"", bytes(100), bytes(10_000)]))
    idat = chunk(b"IDAT", zlib.compress(data + draw(st.binary(max_size=20)), 1))
    kinds = st.tuples(st.sampled_from(_KINDS), st.binary(max_size=40))
    extra = draw(st.lists(kinds, max_size=4))
    parts = [chunk(kind, content) for kind, content in extra]
    place = draw(st.integers(0, len(parts)))
    parts[place:place] = [idat]
    return png(width, height, depth, color, *parts, interlace=draw(st.integers(0, 1)))


@st.composite
def _bombs(draw: Callable[[Any], Any]) -> bytes:
    """Much in little: pixels, or texts beside them, that are all zero."""
    side = draw(st.sampled_from([100, 3000, 8000, 12_000]))
    depth, color, bits = draw(
        st.sampled_from([(1, 0, 1), (1, 3, 1), (8, 0, 8), (8, 3, 8), (8, 6, 32)])
    )
    row = 1 + side * bits // 8
    packer = zlib.compressobj(1)
    lines = draw(st.sampled_from([1, side // 2, side]))
    data = b"".join(packer.compress(bytes(row)) for _ in range(lines)) + packer.flush()
    parts = [chunk(b"PLTE", bytes(6)), chunk(b"tRNS", b"\x00")] if color == 3 else []
    text = zlib.compress(bytes(1 << 20))
    parts += [chunk(b"zTXt", b"k%d\0\0" % i + text) for i in range(draw(_TEXTS))]
    return png(side, side, depth, color, *parts, chunk(b"IDAT", data))


_TEXTS = st.sampled_from([0, 0, 1, 60])


def _pixels(files: Files) -> int:
    """The pixels of a PNG file, if it can have so many, or its size if that is more."""
    (content,) = files.values()
    width, height = struct.unpack(">II", content[16:24].ljust(8, b"\0"))
    claimed = width * height if content.startswith(_MAGIC) else 0
    return max(len(content), min(claimed, 8 * _MOST_PACKED * len(content), 1 << 26))


def inputs() -> st.SearchStrategy[Files]:
    """Mostly PNG, some of them large."""
    small = st.one_of(damaged(_VALID), _made(), _made(), damaged(_OTHERS))
    content = st.integers(0, 499).flatmap(lambda n: _bombs() if n == 0 else small)
    return content.map(lambda c: {"x.png": c})


def _read(folder: Path) -> object:
    return read_images(folder / "x.png", SHAPE)


TARGETS = [
    Target(
        "png",
        inputs(),
        _read,
        (DataError,),
        valid={"x.png": _VALID[1]},
        main="x.png",
        share=15,
        size=_pixels,
    )
]
