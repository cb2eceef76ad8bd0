"""The largest entry of every window."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats
from funcnn.ops._convolution._windows import Padding, Windows, windows
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
    (x,) = floats("max_pool", x=x)
    return _max_pool(x, windows("max_pool", x, window, stride, padding))


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
    return _reference(x, where), x


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
    if where.tiling:
        return _laid_side_by_side(place, g, where).reshape(x.shape)
    return _added_up(place, g, where)


def _offsets(where: Windows):
    return list(itertools.product(*map(range, where.size)))


def _place_of_maximum(x, where):
    """The number of the first largest entry of each window; a NaN counts as largest."""
    padded = where.padded(x, -jnp.inf)
    entries = [where.entry(padded, offset) for offset in _offsets(where)]
    dtype = jnp.int8 if len(entries) <= 127 else jnp.int32
    best, place = entries[0], jnp.zeros(entries[0].shape, dtype)
    for number, entry in enumerate(entries[1:], 1):
        better = (entry > best) | jnp.isnan(entry)
        best = jnp.where(better, entry, best)
        place = jnp.where(better, jnp.asarray(number, dtype), place)
    return place


def _laid_side_by_side(place, g, where):
    """(batch, output1, window1, output2, window2, ..., c), each entry made once."""

    def along(axis, offset):
        if axis == len(where.size):
            number = _offsets(where).index(offset)
            return jnp.where(place == number, g, 0)
        inner = [along(axis + 1, (*offset, i)) for i in range(where.size[axis])]
        # The inner axes are already doubled: those of this axis stand before them.
        return jnp.stack(inner, 2 + axis)

    return along(0, ())


def _added_up(place, g, where):
    padded = [n + low + high for n, (low, high) in zip(where.spatial, where.padding)]
    total = jnp.zeros((g.shape[0], *padded, g.shape[-1]), g.dtype)
    for number, offset in enumerate(_offsets(where)):
        ends = zip(offset, padded, where.reach)
        edges = [(o, n - o - r, s - 1) for (o, n, r), s in zip(ends, where.stride)]
        share = jnp.where(place == number, g, 0)
        zero = jnp.zeros((), g.dtype)
        total += lax.pad(share, zero, [(0, 0, 0), *edges, (0, 0, 0)])
    inside = [slice(low, low + n) for n, (low, _) in zip(where.spatial, where.padding)]
    return total[:, *inside]


def _cases(normal):
    for shape, size in [((2, 6, 3), 2), ((1, 7, 1), 3)]:
        yield _with_windows(normal(*shape), size)
    yield _with_windows(normal(2, 4, 6, 3), (2, 3))
    yield _with_windows(normal(1, 5, 7, 2), 3, 2)  # overlapping, with a rest
    yield _with_windows(normal(2, 5, 4, 1), (3, 2), 1, "SAME")
    yield _with_windows(normal(1, 3, 5, 2), 2, 3, ((1, 0), (0, 1)))
    yield _with_windows(normal(1, 2, 4, 2, 2), 2)
    yield _with_windows(jnp.ones((1, 4, 4, 2)), 2)  # ties
    yield _with_windows(jnp.zeros((1, 5, 2)), 3, 1, "SAME")  # ties, shared
    yield _with_windows(normal(0, 4, 2), 2)


def _with_windows(x, size, stride=None, padding="VALID"):
    return x, windows("max_pool", x, size, stride, padding)


_max_pool = rule(_reference, _forward, _backward, static="where", cases=_cases)
