"""Ways to damage a file, as Hypothesis draws and shrinks them."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

_EXTREMES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1]
_EXTREMES += [2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
EXTREMES = st.sampled_from(_EXTREMES)
PATHS = [
    "../../x",
    "/etc/passwd",
    "/tmp/x",
    "~/x",
    "a/../../../x",
    ".",
    "",
    "\0",
    "x\0",
]


def mutated(valid: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the files with some edits: bits, lengths, cuts, splices."""

    @st.composite
    def strategy(draw: Draw) -> bytes:
        content = draw(st.sampled_from(valid))
        for _ in range(draw(st.integers(1, 3))):
            content = draw(st.sampled_from(_EDITS))(draw, content, valid)
        return content

    return strategy()


def damaged(valid: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Such a file, or random bytes, or a start of the file and then such."""
    start = st.sampled_from(valid).flatmap(
        lambda v: st.integers(0, min(len(v), 64)).map(lambda n: v[:n])
    )
    random = st.builds(bytes.__add__, start, st.binary(max_size=100))
    return mutated(valid) | random | st.binary(max_size=300)


def _place(draw: Draw, content: bytes) -> int:
    # Headers are at the beginning: half of all edits are made there.
    most = len(content)
    return draw(st.integers(0, min(most, 64)) | st.integers(0, most))


def _flip(draw: Draw, content: bytes, valid: Sequence[bytes]) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[_place(draw, content[:-1])] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


def _number(draw: Draw, content: bytes, valid: Sequence[bytes]) -> bytes:
    """An extreme number where another may be."""
    kind = draw(st.sampled_from(["B", ">H", "<H", ">I", "<I", ">Q", "<Q"]))
    size = struct.calcsize(kind)
    number = struct.pack(kind, draw(EXTREMES) & (256**size - 1))
    place = _place(draw, content)
    return content[:place] + number + content[place + size :]


def _cut(draw: Draw, content: bytes, valid: Sequence[bytes]) -> bytes:
    return content[: _place(draw, content)]


def _drop(draw: Draw, content: bytes, valid: Sequence[bytes]) -> bytes:
    place = _place(draw, content)
    return content[:place] + content[place + draw(st.integers(1, 16)) :]


def _insert(draw: Draw, content: bytes, valid: Sequence[bytes]) -> bytes:
    place = _place(draw, content)
    return content[:place] + draw(st.binary(max_size=16)) + content[place:]


def _splice(draw: Draw, content: bytes, valid: Sequence[bytes]) -> bytes:
    other = draw(st.sampled_from(valid))
    return content[: _place(draw, content)] + other[_place(draw, other) :]


def _repeat(draw: Draw, content: bytes, valid: Sequence[bytes]) -> bytes:
    place, size = _place(draw, content), draw(st.integers(1, 64))
    times = draw(st.sampled_from([2, 3, 100, 3000]))
    part = content[place : place + size]
    return content[:place] + part * times + content[place + size :]


_EDITS = [_flip, _number, _number, _cut, _drop, _insert, _splice, _repeat]
