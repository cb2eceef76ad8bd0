"""Products with a matrix along each axis of space: resizing, and means of bins.

Shapes: x (batch, *spatial, c) with 1 to 3 spatial axes -> (batch, *size, c). One
        number for `size` stands for every spatial axis.
Dtypes: any float; sums in float32 or wider.
Errors: ShapeError when x has other axes, or an empty one of space; ValueError for
        sizes that are not positive whole numbers.

Gradient of all of them: y = A_1 ... A_d x, where A_k is a matrix that acts along the
spatial axis k alone, so that they commute. It is linear, and
    dx = A_1^T ... A_d^T g.
A_oi = w_oi / sum_j w_oj, and where the weights w_oi are not 0 the inputs i of an output
o are neighbours, as are the outputs o of an input i. So along each axis
    y_o = sum_(i of o) A_oi x_i,   dx_i = sum_(o of i) w_oi (g_o / sum_j w_oj)
are sums over short runs.
Saved: nothing.
Kinks: none.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import transposed
from funcnn.ops._arguments import wide
from funcnn.ops._resizing._runs import runs_of
from funcnn.rules import rule


def resize_nearest(x: jax.Array, size: int | Sequence[int]) -> jax.Array:
    """Each output takes the entry of x in which its centre lies.

    Shapes, Dtypes, Errors: those of all ops of this file.

    Gradient. Along an axis from n to m, with centres at the halves,
        y_o = x_i,   i = floor((o + 1/2) n / m),   so   dx_i = sum_(o that took i) g_o.
    Saved: nothing.
    Differs: as `jax.image.resize` with "nearest", and as PyTorch's "nearest-exact",
    whose "nearest" takes floor(o n / m) instead.
    """
    return _axis_maps(*runs_of("resize_nearest", x, "nearest", size))


def resize_bilinear(
    x: jax.Array, size: int | Sequence[int], *, antialias: bool = True
) -> jax.Array:
    """Each output is interpolated linearly, along each axis, at its centre.

    Shapes, Dtypes, Errors: those of all ops of this file. Along one axis it is linear
    interpolation, along three trilinear.

    Gradient. Along an axis from n to m the output o has its centre at
    s_o = (o + 1/2) n / m - 1/2 in units of x's entries, and
        y_o = sum_i A_oi x_i,   A_oi = t((s_o - i) / w) / sum_j t((s_o - j) / w),
    with the triangle t(z) = max(0, 1 - |z|), w = 1, and with `antialias` w = max(1,
    n / m): where the axis becomes shorter, every entry counts. dx_i = sum_o A_oi g_o.
    At the borders the sum over j leaves out what is not there.
    Saved: nothing.
    Differs: as `jax.image.resize` with "bilinear" and its `antialias`. PyTorch's
    `interpolate` has antialias=False unless asked, and align_corners, which is not
    this. TensorFlow's `tf.image.resize` has antialias=False.
    """
    arguments = runs_of("resize_bilinear", x, "linear", size, antialias=antialias)
    return _axis_maps(*arguments)


def adaptive_avg_pool(x: jax.Array, size: int | Sequence[int]) -> jax.Array:
    """The mean over each of `size` bins along each axis.

    Shapes, Dtypes, Errors: those of all ops of this file.

    Gradient. Along an axis from n to m the bin o has the entries i with
    floor(o n / m) <= i < ceil((o + 1) n / m), which is n / m of them where m divides n;
    otherwise neighbours may overlap by one. With K_o entries in it,
        y_o = sum_(i in bin o) x_i / K_o,   so   dx_i = sum_(o: i in bin o) g_o / K_o.
    Saved: nothing.
    Differs: the bins are PyTorch's.
    """
    return _axis_maps(*runs_of("adaptive_avg_pool", x, "bins", size))


def global_avg_pool(x: jax.Array) -> jax.Array:
    """The mean over all places, channel by channel: (batch, *spatial, c) -> (batch, c).

    Shapes, Dtypes, Errors: those of all ops of this file.

    Gradient. It is `adaptive_avg_pool` with a single bin of all K places:
        y = sum_i x_i / K,   dx_i = g / K.
    Saved: nothing.
    """
    y = _axis_maps(*runs_of("global_avg_pool", x, "bins", 1))
    return y.reshape(y.shape[0], y.shape[-1])


def _reference(x, maps):
    for axis, runs in enumerate(maps, 1):
        matrix = _matrix(runs, x.dtype)
        # by default a TPU would round both to bfloat16
        product = jnp.tensordot(matrix, x, [[1], [axis]], precision="highest")
        x = jnp.moveaxis(product, 0, axis)
    return x


def _matrix(runs, dtype):
    """(m, n), from its definition."""
    n, m = runs.n, runs.m
    o, i = jnp.arange(m)[:, None], jnp.arange(n)
    if runs.kind == "nearest":
        weights = i == (2 * o + 1) * n // (2 * m)
    elif runs.kind == "bins":
        weights = (o * n // m <= i) & (i < -(-(o + 1) * n // m))
    else:
        distance = abs((o + 0.5) / m - (i + 0.5) / n)
        weights = jnp.maximum(0, 1 - 2 * m * n / runs.reach * distance)
    return (weights / weights.sum(1, keepdims=True)).astype(dtype)


# On CPU by sums over runs; elsewhere by products, which a TPU or GPU is made for.


def _forward(x, maps):
    def by_runs(y):
        for axis, runs in enumerate(maps, 1):
            y = runs.sums(y, axis) / _totals(runs, y, axis)
        return y

    y = lax.platform_dependent(
        wide(x), cpu=by_runs, default=lambda x: _reference(x, maps)
    )
    return y.astype(x.dtype), ()


def _backward(maps, saved, g):
    del saved  # linear: the gradient does not depend on x

    def by_runs(g):
        for axis, runs in enumerate(maps, 1):
            g = runs.back.sums(g / _totals(runs, g, axis), axis)
        return g

    def by_products(g):
        shape = (len(g), *(runs.n for runs in maps), g.shape[-1])
        return transposed(lambda x: _reference(x, maps), shape, g)

    return (lax.platform_dependent(wide(g), cpu=by_runs, default=by_products),)


def _totals(runs, y, axis):
    """The sum of each output's weights, to broadcast against it."""
    totals = runs.sums(jnp.ones(runs.n, y.dtype), 0)
    return totals.reshape(runs.m, *[1] * (y.ndim - axis - 1))


def _cases(normal):
    yield runs_of("resize_nearest", normal(1, 5, 3, 2), "nearest", (3, 5))
    yield runs_of(
        "resize_bilinear", normal(1, 3, 5, 2), "linear", (6, 2), antialias=True
    )
    yield runs_of("resize_bilinear", normal(2, 7, 1), "linear", 3)
    yield runs_of(
        "resize_bilinear", normal(1, 2, 1, 3, 1), "linear", (3, 2, 3), antialias=True
    )
    yield runs_of("adaptive_avg_pool", normal(1, 5, 3, 2), "bins", (3, 4))
    yield runs_of("adaptive_avg_pool", normal(1, 35, 1), "bins", 2)  # many turns
    yield runs_of("global_avg_pool", normal(2, 2, 3, 1), "bins", 1)
    yield runs_of("global_avg_pool", normal(0, 2, 2), "bins", 1)


_axis_maps = rule(_reference, _forward, _backward, static="maps", cases=_cases)
