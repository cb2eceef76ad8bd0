"""Simpler arrays, and arrays as text that can be pasted."""

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_ENTRIES = 16  # of an array, to be looked at one by one
_WRITTEN, _SHORT = 64, 8  # entries that are written out; that are all the same


def simpler(x: Any) -> Iterator[np.ndarray]:
    """Arrays that are simpler, the simplest first: in all entries, then in one."""
    if jnp.issubdtype(x.dtype, jax.dtypes.extended) or not x.size:
        return
    values = np.asarray(x)
    present = _cost(values)
    changes = _numbers(values)
    if values.size <= _ENTRIES:
        changes = itertools.chain(changes, _one_by_one(values))
    for other in changes:
        if _cost(other) < present:
            yield other


def replaced(x: Any, entry: tuple[int, ...], value: Any) -> np.ndarray:
    """A copy with another entry."""
    changed = np.array(x)
    changed[entry] = value
    return changed


def _one_by_one(x: np.ndarray) -> Iterator[np.ndarray]:
    for entry in np.ndindex(x.shape):
        for other in _numbers(x[entry][None]):
            yield replaced(x, entry, other[0])


def _numbers(x: np.ndarray) -> Iterator[np.ndarray]:
    """Zeros, ones, all the same, fewer digits, nearer to 1."""
    yield np.zeros_like(x)
    if x.dtype == bool:
        return
    yield np.ones_like(x)
    yield np.full_like(x, x.flat[0])
    if x.dtype.kind in "iu":
        yield x // 2
        return
    wide = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    size = np.abs(wide[np.isfinite(wide)]).max(initial=0.0)
    first = -math.floor(math.log10(size)) if size else 0
    for digits in (first, 0, first + 1, first + 2):
        yield np.round(wide, digits).astype(x.dtype)
    for smaller in (1000, 10, 2):
        yield np.round(wide / smaller, first + 1).astype(x.dtype)


def _cost(x: np.ndarray) -> tuple[int, float]:
    """What a reader has to take in: different numbers, digits, and their sizes."""
    numbers = np.unique(x.astype(np.complex128))
    many = x.size > _WRITTEN
    length = 10**6 + len(numbers) if many else len(_entries(x))
    return length, float(np.abs(numbers).sum())


def text_of(x: Any) -> str:
    """As an expression.

    Raises:
      ValueError: when it would be too long.
    """
    if jnp.issubdtype(x.dtype, jax.dtypes.extended):
        data = np.asarray(jax.random.key_data(x)).tolist()
        return f"jax.random.wrap_key_data(jnp.array({data}, jnp.uint32))"
    values, kind = np.asarray(x), f"jnp.{x.dtype}"
    plain = x.dtype in (np.float32, np.int32, np.bool_)
    dtype = "" if plain else f", {kind}"
    if not values.size:
        return f"jnp.zeros({values.shape}, {kind})"
    if values.size > _SHORT and (values == values.flat[0]).all():
        return f"jnp.full({values.shape}, {_entries(values.flat[0])}{dtype})"
    if values.size > _WRITTEN:
        raise ValueError(f"{values.size} entries are too many to be written")
    return f"jnp.array({_entries(values)}{dtype})"


def _entries(values: Any) -> str:
    values = np.asarray(values)
    if values.dtype.kind == "V" or values.dtype.itemsize < 4:  # of half precision
        values = values if values.dtype.kind in "biu" else values.astype(np.float32)
    text = np.array2string(
        values, separator=", ", threshold=10**6, max_line_width=10**6, precision=17
    )
    text = re.sub(r"\s+", " ", re.sub(r"\s+(?=[],])|(?<=\[)\s+", "", text))
    return text.replace("nan", "jnp.nan").replace("inf", "jnp.inf")
