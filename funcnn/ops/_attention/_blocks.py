"""Queries in blocks, and which keys a block of them can see.

A head of the keys, with the group of heads of the queries that share it, is one entry
of the first two axes, example and head, which stay apart because a mesh may split each.
The queries of a block are rows, those of one head of the group after
those of another; so all products are of two matrices, and sums over keys go along rows.
"""

import dataclasses
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnn._jax import scan
from funcnn.ops._arguments import wide

Band = tuple[int | None, int | None]
_ROWS = 128, 256  # of a block, at most: enough for fast products, and for a cache
_SCORES = 2**15, 2**18  # how many at once are worth the calls: of a head, and of all
_GROUPS = 8  # of blocks that see equally many keys


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


def sizes_at_once(lengths: tuple[int, int], group: int, heads: int) -> tuple[int, int]:
    """How many queries a block has, and how many heads of keys go together.

    Blocks are of one size but for rounding, so that little is computed in vain; a
    block has more queries where there are few keys.
    """
    queries, keys = lengths
    most = max(min(_ROWS[1], max(_ROWS[0], queries // 2)), _SCORES[0] // max(1, keys))
    blocks = max(1, -(-queries // max(1, most // group)))
    rows = max(1, -(-queries // blocks))
    return rows, divisor(heads, _SCORES[1] // max(1, rows * group * keys))


def divisor(number: int, most: int) -> int:
    """The largest divisor that is at most `most`."""
    return max(n for n in range(1, max(1, min(number, most)) + 1) if number % n == 0)


@dataclasses.dataclass(frozen=True)
class Blocks:
    """How arrays go into blocks and back.

    Attributes:
      leading: the axes before the sequence.
      lengths: how many queries and keys there are.
      heads: how many heads the keys have, and how many of the queries share one.
      rows: how many queries a block has.
      band: query i sees the keys from i - band[0] to i + band[1]; None is no bound.
    """

    leading: tuple[int, ...]
    lengths: tuple[int, int]
    heads: tuple[int, int]
    rows: int
    band: Band

    @classmethod
    def of(cls, query: jax.Array, key: jax.Array, rows: int, band: Band) -> "Blocks":
        """Those of a call."""
        *leading, t, n, _ = query.shape
        s, k = key.shape[-3:-1]
        return cls(tuple(leading), (t, s), (k, n // k), rows, band)

    @property
    def count(self) -> int:
        """How many blocks there are, at least one."""
        return max(1, -(-self.lengths[0] // self.rows))

    @property
    def shape(self) -> tuple[int, int]:
        """How many examples there are, and heads of the keys of one."""
        return math.prod(self.leading), self.heads[0]

    @property
    def entries(self) -> int:
        """How many heads of keys there are in all."""
        return math.prod(self.shape)

    def groups(self) -> list[tuple[int, int, int]]:
        """Blocks from one number to before another, and how many keys each needs.

        In one program all have the same number of keys. So there are more groups where
        that number grows or shrinks from block to block.
        """
        left, right = self.band
        number = min(self.count, 1 if (left is None) == (right is None) else _GROUPS)
        ends = [self.count * n // number for n in range(number + 1)]
        first, past = self._reach()
        needed = np.maximum(0, past - first)
        return [(a, b, int(needed[a:b].max())) for a, b in itertools.pairwise(ends)]

    def _reach(self) -> tuple[np.ndarray, np.ndarray]:
        """The first key that a block sees, and the one past the last."""
        (t, s), (left, right) = self.lengths, self.band
        start = np.arange(self.count) * self.rows
        last = np.minimum(start + self.rows, t) - 1
        first = np.zeros_like(start) if left is None else np.clip(start - left, 0, s)
        past = np.full_like(start, s) if right is None else last + right + 1
        return first, np.minimum(past, s)

    def first_key(self, i: jax.Array, keys: int) -> jax.Array | int:
        """The first of the `keys` that block i is given."""
        if self.band[0] is None:
            return 0
        return jnp.clip(i * self.rows - self.band[0], 0, self.lengths[1] - keys)

    def seen(self, i: jax.Array, first: jax.Array | int, keys: int) -> Any:
        """Who of block i sees whom of the keys, (query, key); None: all see all."""
        query = i * self.rows + jnp.arange(self.rows)[:, None]
        return in_band(query, first + jnp.arange(keys), self.band)

    def queries(self, x: jax.Array) -> jax.Array:
        """(..., t, n, h), wide, as (example, head, block, row, h)."""
        x = _padded(wide(x), -3, self.count * self.rows)
        x = x.reshape(*self.leading, self.count, self.rows, *self.heads, x.shape[-1])
        rows = self.heads[1] * self.rows
        x = _permuted(x, (2, 0, 3, 1, 4))
        return x.reshape(*self.shape, self.count, rows, x.shape[-1])

    def joined_queries(self, x: jax.Array) -> jax.Array:
        """What `queries` was made of."""
        (k, g), h = self.heads, x.shape[-1]
        x = x.reshape(*self.leading, k, self.count, g, self.rows, h)
        x = _permuted(x, (1, 3, 0, 2, 4))
        x = x.reshape(*self.leading, self.count * self.rows, k * g, h)
        return lax.slice_in_dim(x, 0, self.lengths[0], axis=x.ndim - 3)

    def keys(self, x: jax.Array) -> jax.Array:
        """(..., s, k, h), wide, as (example, head, key, h)."""
        x = jnp.moveaxis(wide(x), -2, -3)
        return x.reshape(*self.shape, *x.shape[-2:])

    def joined_keys(self, x: jax.Array) -> jax.Array:
        """What `keys` was made of."""
        x = x.reshape(*self.leading, self.heads[0], *x.shape[-2:])
        return jnp.moveaxis(x, -3, -2)

    def whole(self, x: jax.Array | None) -> jax.Array | None:
        """(..., n, t, s) as (place, g, t, s), with whole blocks; or axes of size 1."""
        if x is None:
            return None
        *_, n, t, s = x.shape
        places, group = math.prod(self._own(x)), 1 if n == 1 else self.heads[1]
        x = x.reshape(places, group, t, s)
        return x if t == 1 else _padded(x, -2, self.count * self.rows)

    def places(self, x: jax.Array | None) -> jax.Array | None:
        """At which place of what `whole` gives an entry finds its own."""
        if x is None:
            return None
        own = self._own(x)
        numbers = jnp.arange(math.prod(own), dtype=jnp.int32).reshape(own)
        whole = jnp.broadcast_to(numbers, (*self.leading, self.heads[0]))
        return whole.reshape(self.shape)

    def _own(self, x: jax.Array) -> tuple[int, ...]:
        """The axes of x that are those of the entries, or 1."""
        *leading, n, _, _ = x.shape
        return *leading, 1 if n == 1 else self.heads[0]

    def tile(
        self, x: jax.Array, i: jax.Array, first: jax.Array | int, keys: int
    ) -> jax.Array:
        """Of a place of what `whole` gave the part of block i and its keys."""
        starts, sizes = self._tile(x, i, first, keys)
        return lax.dynamic_slice(x, starts, sizes)

    def add_tile(
        self, x: jax.Array, tile: jax.Array, i: jax.Array, first: jax.Array | int
    ) -> jax.Array:
        """Adds to the part that `tile` gives, summing over the axes of size 1."""
        starts, sizes = self._tile(x, i, first, tile.shape[-1])
        shared = tuple(axis for axis, size in enumerate(sizes) if size == 1)
        tile = tile.sum(shared, keepdims=True) + lax.dynamic_slice(x, starts, sizes)
        return lax.dynamic_update_slice(x, tile, starts)

    def _tile(
        self, x: jax.Array, i: jax.Array, first: jax.Array | int, keys: int
    ) -> tuple[list[jax.Array], list[int]]:
        g, t, s = x.shape
        starts = [0, 0 if t == 1 else i * self.rows, 0 if s == 1 else first]
        sizes = [g, 1 if t == 1 else self.rows, 1 if s == 1 else keys]
        return [jnp.asarray(start, i.dtype) for start in starts], sizes


def over_entries(
    f: Callable[..., tuple[Any, Any]],
    together: int,
    total: jax.Array | None,
    places: Sequence[jax.Array | None],
    *entries: jax.Array,
) -> tuple[jax.Array | None, Any]:
    """f(places, *entry) for all entries, `together` of them at once.

    The first of what `f` gives is added to `total` at the first place; the rest of all
    entries is returned.
    """
    examples, heads = entries[0].shape[:2]
    xs = tuple(places), *entries
    if together >= examples * heads:
        added, rest = jax.vmap(jax.vmap(f))(*xs)
        return _summed(total, places[0], added), rest

    def step(total: Any, xs: Any) -> Any:
        added, rest = jax.vmap(f)(*xs)
        return _summed(total, xs[0][0], added), rest

    turns = examples * heads // together
    xs = jax.tree.map(lambda x: x.reshape(turns, together, *x.shape[2:]), xs)
    total, rest = scan(step, total, xs)
    joined = jax.tree.map(lambda x: x.reshape(examples, heads, *x.shape[2:]), rest)
    return total, joined


def _summed(total: Any, places: Any, added: Any) -> Any:
    return total if total is None else total.at[places].add(added)


def _padded(x: jax.Array, axis: int, length: int) -> jax.Array:
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, length - x.shape[axis])
    return jnp.pad(x, widths)


def _permuted(x: jax.Array, order: Sequence[int]) -> jax.Array:
    """The last axes in another order."""
    first = x.ndim - len(order)
    return x.transpose(*range(first), *(first + axis for axis in order))
