"""Inputs: all of 16 bits, and of float32 some of every exponent."""

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

CHUNK = 2**20
DTYPES: dict[str, Any] = {
    "bfloat16": ml_dtypes.bfloat16,
    "float16": np.float16,
    "float32": np.float32,
}
# Kinks, and where formulas change: their neighbours are looked at, too.
MARKS = (0.5, np.log(2), 1, 1.5, 2, 3, 6, 10, 20, 50, 85, 87.33654, 88.72284, 103.9721)
NEAR = 64  # neighbours of each


def points(dtype: str, count: int) -> Iterator[np.ndarray]:
    """Chunks of inputs of a dtype: every one of 16 bits, else about `count`."""
    kind = DTYPES[dtype]
    if np.dtype(kind).itemsize == 2:
        yield np.arange(2**16, dtype=np.uint16).view(kind)
        return
    yield special()
    step = 2**32 // count
    rng = np.random.default_rng(0)
    for start in range(0, count, CHUNK):
        number = np.arange(start, min(start + CHUNK, count), dtype=np.uint64)
        # one in each interval of equal length in bits, so in every exponent alike
        bits = number * step + rng.integers(0, step, number.size, np.uint64)
        yield bits.astype(np.uint32).view(np.float32)


def special() -> np.ndarray:
    """The ends of float32's range, zeros, and the marks with their neighbours."""
    ends = np.array([0, 1, 2, 3, 2**22, 2**23 - 1, 2**23, 2**23 + 1], np.int64)
    ends = np.concatenate([ends, 0x7F800000 - np.arange(-3, 4)])  # and infinity, NaN
    marks = np.array(MARKS, np.float32).view(np.int32).astype(np.int64)
    near = (marks[:, None] + np.arange(-NEAR, NEAR + 1)).ravel()
    whole = np.arange(0, 4096, dtype=np.float32) / 2
    bits = np.concatenate([ends, near, whole.view(np.int32)])
    both = np.concatenate([bits, bits + 2**31])
    return both.astype(np.uint32).view(np.float32)
