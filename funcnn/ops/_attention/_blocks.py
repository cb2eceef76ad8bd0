"""Queries and keys in blocks, and which pairs of blocks attention needs.

What stands in blocks has the number of the block as its first axis. Inside, keys come
before queries: so the long products of attention run over the last axis of one factor
and the first of the other, and its sums over keys go along rows. The heads of the
queries are two axes, (k, g): of each of the k heads of the keys, a group of g.
"""

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnn.ops._arguments import wide

Band = tuple[int | None, int | None]
_SIZE = 256  # of a block: large enough for fast products, small enough for a cache


def band(causal: bool, window: Any) -> Band:
    """What `dot_product_attention` understands by its options.

    Raises:
      ValueError: for a window that is not understood.
    """
    pair = window if isinstance(window, tuple | list) else (window, window)
    try:
        left, right = (None if w is None else operator.index(w) for w in pair)
    except (TypeError, ValueError):
        left = right = -1
    if min(left or 0, right or 0) < 0:
        raise ValueError(
            "dot_product_attention: window must be a number of keys, 0 or more, or a "
            f"pair (left, right) of such, got {window!r}"
        )
    return left, 0 if causal else right


def in_band(query: jax.Array, key: jax.Array, band: Band) -> jax.Array | None:
    """Whether queries see keys, by their positions; None where all see all."""
    left, right = band
    before = None if left is None else key >= query - left
    behind = None if right is None else key <= query + right
    if before is None or behind is None:
        return before if behind is None else behind
    return before & behind


def block_sizes(queries: int, keys: int) -> tuple[int, int]:
    """How many queries and how many keys a block has.

    Blocks are of one size but for rounding, so that little is computed in vain; where
    there are few queries, as in decoding, a block has the more keys.
    """
    of_queries = _equal_parts(queries, _SIZE)
    return of_queries, _equal_parts(keys, _SIZE * _SIZE // of_queries)


def _equal_parts(length: int, most: int) -> int:
    parts = max(1, -(-length // most))
    return max(1, -(-length // parts))


@dataclasses.dataclass(frozen=True)
class Blocks:
    """How arrays go into blocks and back.

    Attributes:
      lengths: how many queries and keys there are.
      sizes: how many of each a block has.
      band: query i sees the keys from i - band[0] to i + band[1]; None is no bound.
      heads: how many heads the keys have.
    """

    lengths: tuple[int, int]
    sizes: tuple[int, int]
    band: Band
    heads: int

    @property
    def counts(self) -> tuple[int, int]:
        """How many blocks there are of queries and of keys, at least one of each."""
        queries, keys = (max(1, -(-n // m)) for n, m in zip(self.lengths, self.sizes))
        return queries, keys

    def pairs(self) -> tuple[jax.Array, jax.Array]:
        """The numbers of all pairs of blocks in which a query sees a key.

        They are worked out by the program: a table of numbers would be an array that
        a rule closes over.
        """
        i, j = jnp.nonzero(self._needed(jnp), size=int(self._needed(np).sum()))
        return i.astype(jnp.int32), j.astype(jnp.int32)

    def _needed(self, numpy: Any) -> Any:
        """Block of queries by block of keys, whether one sees another."""
        (queries, keys), (rows, columns) = self.lengths, self.sizes
        i, j = (numpy.arange(count) for count in self.counts)
        query = i[:, None] * rows, numpy.minimum(i[:, None] * rows + rows, queries) - 1
        key = j * columns, numpy.minimum(j * columns + columns, keys) - 1
        needed = (query[0] <= query[1]) & (key[0] <= key[1])
        left, right = self.band
        if left is not None:  # the least that a key is behind a query
            needed &= key[1] - query[0] >= -left
        if right is not None:
            needed &= key[0] - query[1] <= right
        return needed

    def seen(self, i: jax.Array, j: jax.Array) -> jax.Array | None:
        """Who of block i sees whom of block j, (key, 1, query); None: all see all."""
        rows, columns = self.sizes
        query = i * rows + jnp.arange(rows)
        key = j * columns + jnp.arange(columns)[:, None, None]
        seen = in_band(query, key, self.band)
        if self.counts[1] * columns == self.lengths[1]:
            return seen
        real = key < self.lengths[1]
        return real if seen is None else seen & real

    def queries(self, x: jax.Array) -> jax.Array:
        """(..., t, n, h), wide, as (block, ..., k, h, g, query)."""
        *leading, t, n, h = x.shape
        x = wide(x).reshape(*leading, t, self.heads, n // self.heads, h)
        return self.rows(_permuted(x, (1, 3, 2, 0)))

    def joined_queries(self, x: jax.Array) -> jax.Array:
        """What `queries` was made of."""
        x = _permuted(self.joined_rows(x), (3, 0, 2, 1))
        *leading, k, g, h = x.shape
        return x.reshape(*leading, k * g, h)

    def rows(self, x: jax.Array, fill: float = 0) -> jax.Array:
        """(..., t) as (block, ..., query), with `fill` for queries there are not."""
        return _cut(x, -1, self.counts[0], self.sizes[0], fill)

    def joined_rows(self, x: jax.Array) -> jax.Array:
        """What `rows` was made of."""
        return _joined(x, -1, self.lengths[0])

    def keys(self, x: jax.Array) -> jax.Array:
        """(..., s, k, h), wide, as (block, ..., k, key, h)."""
        return _cut(jnp.moveaxis(wide(x), -2, -3), -2, self.counts[1], self.sizes[1])

    def joined_keys(self, x: jax.Array) -> jax.Array:
        """What `keys` was made of."""
        return jnp.moveaxis(_joined(x, -2, self.lengths[1]), -3, -2)

    def whole(self, x: jax.Array | None) -> jax.Array | None:
        """(..., n, t, s) as (..., k, g, t, s), with whole blocks; or axes of size 1."""
        if x is None:
            return None
        *leading, n, t, s = x.shape
        heads = (1, 1) if n == 1 else (self.heads, n // self.heads)
        x = x.reshape(*leading, *heads, t, s)
        for axis, count, size in zip((-2, -1), self.counts, self.sizes):
            if x.shape[axis] != 1:
                x = _padded(x, axis, count * size)
        return x

    def tile(self, x: jax.Array, i: jax.Array, j: jax.Array) -> jax.Array:
        """Of what `whole` gave the part of blocks i and j: (..., k, key, g, query)."""
        return jnp.moveaxis(lax.dynamic_slice(x, *self._place(x, i, j)), -1, -3)

    def add_tile(
        self, x: jax.Array, tile: jax.Array, i: jax.Array, j: jax.Array
    ) -> jax.Array:
        """Adds to the part that `tile` gives, summing over the axes of size 1."""
        starts, sizes = self._place(x, i, j)
        shared = tuple(axis for axis, size in enumerate(sizes) if size == 1)
        tile = jnp.moveaxis(tile, -3, -1).sum(shared, keepdims=True)
        tile += lax.dynamic_slice(x, starts, sizes)
        return lax.dynamic_update_slice(x, tile, starts)

    def _place(
        self, x: jax.Array, i: jax.Array, j: jax.Array
    ) -> tuple[list[jax.Array], list[int]]:
        starts, sizes = [jnp.zeros_like(i)] * x.ndim, list(x.shape)
        for axis, number, size in zip((-2, -1), (i, j), self.sizes):
            if sizes[axis] != 1:
                starts[axis], sizes[axis] = number * size, size
        return starts, sizes


def _cut(x: jax.Array, axis: int, count: int, size: int, fill: float = 0) -> jax.Array:
    x, at = _padded(x, axis, count * size, fill), x.ndim + axis
    return jnp.moveaxis(
        x.reshape(*x.shape[:at], count, size, *x.shape[at + 1 :]), at, 0
    )


def _joined(x: jax.Array, axis: int, length: int) -> jax.Array:
    at = x.ndim - 1 + axis
    x = jnp.moveaxis(x, 0, at)
    x = x.reshape(*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2 :])
    return lax.slice_in_dim(x, 0, length, axis=at)


def _padded(x: jax.Array, axis: int, length: int, fill: float = 0) -> jax.Array:
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, length - x.shape[axis])
    return jnp.pad(x, widths, constant_values=fill)


def _permuted(x: jax.Array, order: Sequence[int]) -> jax.Array:
    """The last axes in another order."""
    first = x.ndim - len(order)
    return x.transpose(*range(first), *(first + axis for axis in order))


def at(x: jax.Array, i: jax.Array) -> jax.Array:
    """Block i."""
    return lax.dynamic_index_in_dim(x, i, 0, keepdims=False)


def put(x: jax.Array, block: jax.Array, i: jax.Array) -> jax.Array:
    """`x` with another block i."""
    return lax.dynamic_update_index_in_dim(x, block, i, 0)
