"""The largest entry of every bin.

Shapes: x (batch, *spatial, c) with 1 to 3 spatial axes -> (batch, *size, c). One
        number for `size` stands for every spatial axis.
Dtypes: any float.
Errors: ShapeError when x has other axes, or an empty one of space; ValueError for
        sizes that are not positive whole numbers.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._resizing._runs import runs_of, turns
from funcnn.rules import rule


def adaptive_max_pool(x: jax.Array, size: int | Sequence[int]) -> jax.Array:
    """The maximum over each of `size` bins along each axis, channel by channel.

    Shapes, Dtypes, Errors: those of both ops of this file.

    Gradient. The bins are those of `adaptive_avg_pool`, along each axis. y_o = max_i
    x_i over the places i of bin o; where i*(o) is the largest, dy_o/dx_i = [i = i*(o)],
    so
        dx_i = sum_(o: i in bin o) [i = i*(o)] g_o.
    As a bin is a product of bins along the axes, the maximum is taken along one axis
    after the other, and with it i*, the least number of a place that has it.
    Saved: the numbers i*, one for each output.
    Kinks: of equal entries the first in row-major order counts as the maximum. A NaN
    counts as the largest.
    Differs: the bins and the choice are PyTorch's.
    """
    return _adaptive_max_pool(*runs_of("adaptive_max_pool", x, "bins", size))


def global_max_pool(x: jax.Array) -> jax.Array:
    """The maximum over all places, channel by channel: (batch, c).

    Shapes, Dtypes, Errors: those of both ops of this file.

    Gradient. It is `adaptive_max_pool` with a single bin: the cotangent goes to the
    place of the maximum.
    Saved: that place.
    Kinks: of equal entries the first in row-major order counts as the maximum.
    """
    y = _adaptive_max_pool(*runs_of("global_max_pool", x, "bins", 1))
    return y.reshape(y.shape[0], y.shape[-1])


def _reference(x, maps):
    axes = len(maps)
    for axis, runs in enumerate(maps, 1):
        first, stop = runs.ends(jnp.arange(runs.m)[:, None])
        index = first + jnp.arange(runs.longest)
        x = jnp.take(x, index, 2 * axis - 1, mode="clip")
        inside = (index < stop).reshape(*index.shape, *[1] * (axes - axis + 1))
        x = jnp.where(inside, x, -jnp.inf)
    # (batch, m1, t1, m2, t2, ..., c): what is in one bin comes last
    bins = jnp.moveaxis(x, range(2, 2 * axes + 1, 2), range(-axes, 0))
    bins = bins.reshape(*bins.shape[:-axes], math.prod(bins.shape[-axes:]))
    first = jnp.argmax(bins, -1, keepdims=True)
    return jnp.take_along_axis(bins, first, -1)[..., 0]


def _forward(x, maps):
    y, place = x, jnp.broadcast_to(_places(maps), x.shape)
    for axis in range(len(maps), 0, -1):
        y, place = _largest(maps[axis - 1], y, place, axis)
    return y, place


def _places(maps):
    """The number of each place, in row-major order: (1, *spatial, 1)."""
    spatial = [runs.n for runs in maps]
    return jnp.arange(math.prod(spatial), dtype=jnp.int32).reshape(1, *spatial, 1)


def _largest(runs, x, place, axis):
    """That of each run, and the least of the places that have it."""
    if runs.side_by_side:
        entries, places = runs.split(x, axis), runs.split(place, axis)
        largest = entries.max(axis + 1)
        has_it = (entries == jnp.expand_dims(largest, axis + 1)) | jnp.isnan(entries)
        nowhere = jnp.iinfo(place.dtype).max
        return largest, jnp.where(has_it, places, nowhere).min(axis + 1)

    def better(t, best):
        entry, inside = runs.tap(t, axis, x)
        chosen = (inside > 0) & ((entry > best[0]) | jnp.isnan(entry))
        pairs = zip((entry, runs.tap(t, axis, place)[0]), best)
        return tuple(jnp.where(chosen, new, old) for new, old in pairs)

    first = runs.tap(0, axis, x)[0], runs.tap(0, axis, place)[0]
    return turns(runs.longest, better, first)


def _backward(maps, place, g):
    def of_all(place, g):
        return _cotangent(maps, place, g)

    def by_images(place, g):
        def of_one(image):
            place, g = image
            return of_all(place[None], g[None])[0]

        return lax.map(of_one, (place, g))

    args = place, wide(g)
    if all(runs.back.longest == 1 for runs in maps):
        return (of_all(*args),)
    # a TPU would keep what it has gathered of all images
    return (lax.platform_dependent(*args, tpu=by_images, default=of_all),)


def _cotangent(maps, place, g):
    own, back = _places(maps), [runs.back for runs in maps]
    counts = [runs.longest for runs in back]

    def add(t, total):
        share, chosen, inside = g, place, True
        for axis, (runs, count) in enumerate(zip(back, counts), 1):
            chosen, _ = runs.tap(t % count, axis, chosen)
            share, weight = runs.tap(t % count, axis, share)
            inside, t = inside & (weight > 0), t // count
        return total + jnp.where(inside & (chosen == own), share, 0)

    spatial = [runs.n for runs in maps]
    start = jnp.zeros((len(g), *spatial, g.shape[-1]), g.dtype)
    return turns(math.prod(counts), add, start)


def _cases(normal):
    yield runs_of("adaptive_max_pool", normal(2, 5, 2), "bins", 3)
    yield runs_of("adaptive_max_pool", normal(1, 5, 6, 1), "bins", (3, 2))
    yield runs_of("adaptive_max_pool", normal(2, 1, 1), "bins", 17)  # many turns back
    yield runs_of("adaptive_max_pool", normal(1, 35, 1), "bins", 2)  # and forth
    yield runs_of("adaptive_max_pool", normal(1, 2, 2, 3, 1), "bins", (1, 2, 2))
    yield runs_of("adaptive_max_pool", jnp.ones((1, 4, 5, 1)), "bins", (2, 2))  # ties
    yield runs_of("global_max_pool", normal(2, 3, 2, 2), "bins", 1)
    yield runs_of("global_max_pool", normal(0, 2, 2), "bins", 1)


_adaptive_max_pool = rule(_reference, _forward, _backward, static="maps", cases=_cases)
