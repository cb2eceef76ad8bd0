"""The mean of every window."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats, wide
from funcnn.ops._convolution._windows import Padding, windows
from funcnn.rules import rule


def avg_pool(
    x: jax.Array,
    window: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
) -> jax.Array:
    """The mean over each window, channel by channel.

    Shapes: x (batch, *spatial, c) with 1 to 3 spatial axes -> (batch, *output, c).
            One number for `window` or `stride` stands for every spatial axis; the
            stride is the window's size unless given. Padding counts as 0 and as an
            entry: every window is divided by its full size K.
    Dtypes: any float; sums in float32 or wider.
    Errors: ShapeError when x has other axes or no window fits; ValueError for
            options that are not understood.

    Gradient. y_o = sum_i [i in window o] x_i / K, which is linear, so
        dx_i = sum_o [i in window o] g_o / K:
    the sum over windows of the same size that slide by one step over g, spread out
    by the stride.
    Saved: nothing.
    Kinks: none.
    Differs: TensorFlow and Keras leave the padding out of the divisor; Flax counts
    it, as here.
    """
    (x,) = floats("avg_pool", x=x)
    return _avg_pool(x, windows("avg_pool", x, window, stride, padding))


def _window_sum(x, size, stride, padding):
    ones = (1,)
    edges = ((0, 0), *padding, (0, 0))
    return lax.reduce_window(
        x, 0.0, lax.add, ones + size + ones, ones + stride + ones, edges
    )


def _reference(x, where):
    return _window_sum(x, where.size, where.stride, where.padding) / math.prod(
        where.size
    )


def _forward(x, where):
    total = _window_sum(wide(x), where.size, where.stride, where.padding)
    return (total / math.prod(where.size)).astype(x.dtype), ()


def _backward(where, saved, g):
    del saved  # linear: the gradient does not depend on x
    axes = zip(where.spatial, where.size, where.reach, where.stride, where.padding)
    spread = [(k - 1 - low, n + low - r, s - 1) for n, k, r, s, (low, _) in axes]
    g = lax.pad(wide(g), jnp.zeros((), wide(g).dtype), [(0, 0, 0), *spread, (0, 0, 0)])
    once = ((1,) * len(where.size), ((0, 0),) * len(where.size))
    return (_window_sum(g, where.size, *once) / math.prod(where.size),)


def _cases(normal):
    for shape, size in [((2, 6, 3), 2), ((1, 7, 1), 3)]:
        yield _with_windows(normal(*shape), size)
    yield _with_windows(normal(2, 4, 6, 3), (2, 3))
    yield _with_windows(normal(1, 5, 7, 2), 3, 2)  # overlapping, with a rest
    yield _with_windows(normal(2, 5, 4, 1), (3, 2), 1, "SAME")
    yield _with_windows(normal(1, 3, 5, 2), 2, 3, ((1, 0), (2, 1)))
    yield _with_windows(normal(1, 2, 4, 2, 2), 2)
    yield _with_windows(normal(0, 4, 2), 2)


def _with_windows(x, size, stride=None, padding="VALID"):
    return x, windows("avg_pool", x, size, stride, padding)


_avg_pool = rule(_reference, _forward, _backward, static="where", cases=_cases)
