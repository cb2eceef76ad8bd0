"""The largest entry of every window."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._convolution._windows import Padding, pool_arguments, pool_cases
from funcnn.rules import rule


def max_pool(
    x: jax.Array,
    window: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
) -> jax.Array:
    """The maximum over each window, channel by channel.

    Shapes: x (batch, *spatial, c) with 1 to 3 spatial axes -> (batch, *output, c).
            One number for `window` or `stride` stands for every spatial axis; the
            stride is the window's size unless given. Padding counts as -inf.
    Dtypes: any float.
    Errors: ShapeError when x has other axes or no window fits; ValueError for
            options that are not understood.

    Gradient. y_o = max_i x_i over the entries i of window o. Where one entry i*(o)
    is the largest, dy_o/dx_i = [i = i*(o)], so dx_i = sum_o [i = i*(o)] g_o: each
    cotangent goes to the entry that was the maximum, and an entry that is the
    maximum of several windows collects them all.
    Saved: x; the place of each maximum is found again by comparing.
    Kinks: of equal entries the first in row-major order counts as the maximum, as
    in XLA and `jax.grad` of `lax.reduce_window`.
    Platforms: on CPU the comparison is written out, for XLA's select-and-scatter
    is a slow scalar loop there; elsewhere select-and-scatter is used.
    Source: Ranzato, Huang, Boureau & LeCun (2007), CVPR.
    """
    return _max_pool(*pool_arguments("max_pool", x, window, stride, padding))


def min_pool(
    x: jax.Array,
    window: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
) -> jax.Array:
    """The minimum over each window, channel by channel.

    Shapes, Dtypes, Errors: those of `max_pool`; padding counts as +inf.

    Gradient. min_i x_i = -max_i (-x_i), and both signs cancel in the derivative: each
    cotangent goes to the entry that was the minimum, as derived in `max_pool`.
    Saved: -x.
    Kinks: of equal entries the first in row-major order counts as the minimum.
    """
    x, where = pool_arguments("min_pool", x, window, stride, padding)
    return -_max_pool(-x, where)


def _reference(x, where):
    ones = (1,)
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        ones + where.size + ones,
        ones + where.stride + ones,
        ((0, 0), *where.padding, (0, 0)),
    )


def _forward(x, where):
    few = len(where.offsets) <= 25  # each of them is in the program
    y = lax.platform_dependent(
        x,
        cpu=lambda x: _largest(x, where) if few else _reference(x, where),
        default=lambda x: _reference(x, where),
    )
    return y, x


def _largest(x, where):
    """Entry by entry: XLA's reduction over windows is slow on CPU."""
    padded = where.padded(x, -jnp.inf)
    entries = (where.entry(padded, offset) for offset in where.offsets)
    return functools.reduce(jnp.maximum, entries)


def _backward(where, x, g):
    dx = lax.platform_dependent(
        x,
        g,
        cpu=lambda x, g: _by_comparing(x, g, where),
        default=lambda x, g: jax.vjp(lambda x: _reference(x, where), x)[1](g)[0],
    )
    return (dx,)


def _by_comparing(x, g, where):
    place = _place_of_maximum(x, where)
    shares = (jnp.where(place == k, g, 0) for k in range(len(where.offsets)))
    return where.added_up(shares).astype(g.dtype)


def _place_of_maximum(x, where):
    """The number of the first largest entry of each window; a NaN counts as largest."""
    padded = where.padded(x, -jnp.inf)
    entries = [where.entry(padded, offset) for offset in where.offsets]
    dtype = jnp.int8 if len(entries) <= 127 else jnp.int32
    best, place = entries[0], jnp.zeros(entries[0].shape, dtype)
    for number, entry in enumerate(entries[1:], 1):
        better = (entry > best) | jnp.isnan(entry)
        best = jnp.where(better, entry, best)
        place = jnp.where(better, jnp.asarray(number, dtype), place)
    return place


def _cases(normal):
    yield from pool_cases("max_pool", normal)
    yield pool_arguments("max_pool", jnp.ones((1, 4, 4, 1)), 2)  # ties
    yield pool_arguments("max_pool", jnp.zeros((1, 5, 2)), 3, 1, "SAME")  # shared


_max_pool = rule(_reference, _forward, _backward, static="where", cases=_cases)
