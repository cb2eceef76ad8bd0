"""The mean of every window."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._convolution._windows import Padding, pool_arguments, pool_cases
from funcnn.rules import rule


def avg_pool(
    x: jax.Array,
    window: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
) -> jax.Array:
    """The mean over each window, channel by channel.

    Shapes: x (batch, *spatial, c) with 1 to 3 spatial axes -> (batch, *output, c).
            One number for `window` or `stride` stands for every spatial axis; the
            stride is the window's size unless given. Padding counts as 0 and, with
            `count_include_pad`, as an entry: every window is divided by its full
            size. Without, it is divided by the number of its entries in x.
    Dtypes: any float; sums in float32 or wider.
    Errors: ShapeError when x has other axes or no window fits; ValueError for
            options that are not understood, and for a window that lies wholly in
            padding that does not count.

    Gradient. y_o = sum_i [i in window o] x_i / K_o, which is linear, so
        dx_i = sum_o [i in window o] g_o / K_o:
    the sum over windows of the same size that slide by one step over g / K, spread
    out by the stride. K_o is the window's size, or what of it lies in x.
    Saved: nothing.
    Kinks: none.
    Differs: TensorFlow and Keras leave the padding out of the divisor; Flax and
    PyTorch count it unless told otherwise, as here.
    """
    x, where = pool_arguments("avg_pool", x, window, stride, padding)
    if not count_include_pad and not _are_met(where):
        raise ValueError(
            f"avg_pool: with count_include_pad=False every window needs an entry of x "
            f"{x.shape}, but padding {where.padding} holds whole windows {where.size}"
        )
    return _avg_pool(x, where, bool(count_include_pad))


def _window_sum(x, size, stride, padding):
    ones = (1,)
    edges = ((0, 0), *padding, (0, 0))
    return lax.reduce_window(
        x, 0.0, lax.add, ones + size + ones, ones + stride + ones, edges
    )


def _are_met(where):
    """Whether every window has an entry of x."""
    rows = zip(where.spatial, where.size, where.reach, where.padding)
    return all(k > low and r - 1 < n + low for n, k, r, (low, _) in rows)


def _divided(total, where, count_include_pad):
    if count_include_pad:
        return total / math.prod(where.size)
    ones = jnp.ones((1, *where.spatial, 1), total.dtype)
    return total / _window_sum(ones, where.size, where.stride, where.padding)


def _reference(x, where, count_include_pad):
    total = _window_sum(x, where.size, where.stride, where.padding)
    return _divided(total, where, count_include_pad)


def _forward(x, where, count_include_pad):
    total = _window_sum(wide(x), where.size, where.stride, where.padding)
    return _divided(total, where, count_include_pad).astype(x.dtype), ()


def _backward(where, count_include_pad, saved, g):
    del saved  # linear: the gradient does not depend on x
    g = _divided(wide(g), where, count_include_pad)
    axes = zip(where.spatial, where.size, where.reach, where.stride, where.padding)
    spread = [(k - 1 - low, n + low - r, s - 1) for n, k, r, s, (low, _) in axes]
    g = lax.pad(g, jnp.zeros((), g.dtype), [(0, 0, 0), *spread, (0, 0, 0)])
    once = ((1,) * len(where.size), ((0, 0),) * len(where.size))
    return (_window_sum(g, where.size, *once),)


def _cases(normal):
    for x, where in pool_cases("avg_pool", normal):
        yield x, where, True
        if any(map(any, where.padding)):
            yield x, where, False


_avg_pool = rule(
    _reference,
    _forward,
    _backward,
    static=["where", "count_include_pad"],
    cases=_cases,
)
