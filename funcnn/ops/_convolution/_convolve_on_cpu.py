"""A convolution in the form that XLA runs fastest on CPU."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._convolution._convolve import convolve
from funcnn.ops._convolution._windows import Windows

_PRODUCTS = 32  # for an entry of the result, at most: what one loop adds up well
_CHANNELS = range(16, 128)  # of x: what Eigen is faster for than YNNPACK
_MORE = 1 / 7  # of the result's rows, at most, to leave it to Eigen
YNNPACK_CHANNELS = 17  # of x or of the result: below, YNNPACK is not chosen


def convolve_on_cpu(x: jax.Array, kernel: jax.Array, **options: Any) -> jax.Array:
    """`convolve`, which XLA runs slowly on CPU for few channels, and for some dozens.

    Of few, it is a sum over the kernel's entries in one loop. Of some dozens XLA has
    two libraries and leaves it to the slower one, unless the result has more rows
    than x; so it gets more, which are cut off.
    """
    dense = options["feature_group_count"] == 1
    if dense and set(options.get("lhs_dilation", ())) <= {1}:
        where = _windows(x, kernel, **options)
        if math.prod(kernel.shape[:-1]) <= _PRODUCTS and kernel.shape[-1] > 1:
            return _by_entries(x, kernel, where)
        axis = _axis_of_more_rows(x, kernel, where)
        if axis is not None:
            return _with_more_rows(x, kernel, where, axis)
    return convolve(x, kernel, **options)


def _windows(
    x: jax.Array,
    kernel: jax.Array,
    window_strides: tuple[int, ...],
    padding: Any,
    rhs_dilation: tuple[int, ...],
    **_: Any,
) -> Windows:
    sizes = x.shape[1:-1], kernel.shape[:-2]
    return Windows(*sizes, window_strides, tuple(padding), rhs_dilation)


def _by_entries(x: jax.Array, kernel: jax.Array, where: Windows) -> jax.Array:
    padded, kernel = where.padded(wide(x), 0), wide(kernel)
    terms = (
        where.entry(padded[..., c : c + 1], offset) * kernel[(*offset, c)]
        for offset in where.offsets
        for c in range(x.shape[-1])
    )
    return sum(terms, next(terms)).astype(x.dtype)


def _axis_of_more_rows(x: jax.Array, kernel: jax.Array, where: Windows) -> int | None:
    """The axis of which more rows pay, if there is one."""
    wanted = x.ndim == 4 and x.shape[-1] in _CHANNELS and x.dtype == jnp.float32
    if not wanted or max(x.shape[-1], kernel.shape[-1]) < YNNPACK_CHANNELS:
        return None
    if set(where.stride) != {1}:
        return None
    pays = [_more(where, axis) <= _MORE * where.output[axis] for axis in range(2)]
    return pays.index(True) if any(pays) else None


def _more(where: Windows, axis: int) -> int:
    return max(0, where.spatial[axis] + 1 - where.output[axis])


def _with_more_rows(
    x: jax.Array, kernel: jax.Array, where: Windows, axis: int
) -> jax.Array:
    padding = [*where.padding]
    low, high = padding[axis]
    padding[axis] = low, high + _more(where, axis)
    options = {"padding": padding, "rhs_dilation": where.dilation}
    y = convolve(x, kernel, window_strides=where.stride, **options)
    return lax.slice_in_dim(y, 0, where.output[axis], axis=axis + 1)
