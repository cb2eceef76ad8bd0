"""A convolution in the form that XLA runs fastest on CPU."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._convolution._convolve import convolve

_PRODUCTS = 32  # for an entry of the result, at most: what one loop adds up well
_CHANNELS = range(16, 128)  # of x: what Eigen is faster for than YNNPACK
_MORE = 1 / 7  # of the result's rows, at most, to leave it to Eigen
_LEAST = 17  # channels of x or of the result, below which YNNPACK is not chosen


def convolve_on_cpu(x: jax.Array, kernel: jax.Array, **options: Any) -> jax.Array:
    """`convolve`, which XLA runs slowly on CPU for few channels, and for some dozens.

    Of few, it is a sum over the kernel's entries in one loop. Of some dozens XLA has
    two libraries and leaves it to the slower one, unless the result has more rows
    than x; so it gets more, which are cut off.
    """
    if _is_dense(**options):
        if math.prod(kernel.shape[:-1]) <= _PRODUCTS and kernel.shape[-1] > 1:
            return _by_entries(x, kernel, **options)
        for axis, more in _more_rows(x, kernel, **options):
            return _with_more_rows(x, kernel, axis, more, **options)
    return convolve(x, kernel, **options)


def _is_dense(
    feature_group_count: int = 1, lhs_dilation: tuple[int, ...] = (), **_: Any
) -> bool:
    return feature_group_count == 1 and set(lhs_dilation) <= {1}


def _by_entries(
    x: jax.Array,
    kernel: jax.Array,
    window_strides: tuple[int, ...],
    padding: list[tuple[int, int]],
    rhs_dilation: tuple[int, ...],
    **_: Any,
) -> jax.Array:
    dtype, zero = x.dtype, jnp.zeros((), x.dtype)
    x = wide(lax.pad(x, zero, [(0, 0, 0), *((*p, 0) for p in padding), (0, 0, 0)]))
    rows = [*zip(x.shape[1:], kernel.shape, rhs_dilation)]
    reach = [n - (k - 1) * d for (n, k, d) in rows[: len(padding)]]

    def entry(*place: int) -> jax.Array:
        *offsets, channel = place
        starts = [o * d for o, d in zip(offsets, rhs_dilation)]
        ends = [start + r for start, r in zip(starts, reach)]
        limits = x.shape[0], *ends, channel + 1
        return lax.slice(x, (0, *starts, channel), limits, (1, *window_strides, 1))

    places = itertools.product(*map(range, kernel.shape[:-1]))
    terms = (entry(*place) * wide(kernel[place]) for place in places)
    return sum(terms, next(terms)).astype(dtype)


def _more_rows(
    x: jax.Array,
    kernel: jax.Array,
    window_strides: tuple[int, ...],
    padding: list[tuple[int, int]],
    rhs_dilation: tuple[int, ...],
    **_: Any,
) -> Iterator[tuple[int, int]]:
    """The axes of which it pays, and how many more rows there are above x's."""
    wanted = len(padding) == 2 and x.shape[-1] in _CHANNELS and x.dtype == jnp.float32
    few = max(x.shape[-1], kernel.shape[-1]) < _LEAST
    if not wanted or few or set(window_strides) != {1}:
        return
    rows = zip(x.shape[1:], kernel.shape, padding, rhs_dilation)
    for axis, (n, k, p, d) in enumerate(rows):
        result = n + sum(p) - (k - 1) * d
        more = max(0, n + 1 - result)
        if more <= _MORE * result:
            yield axis, more


def _with_more_rows(
    x: jax.Array, kernel: jax.Array, axis: int, more: int, **options: Any
) -> jax.Array:
    padding = [*options.pop("padding")]
    low, high = padding[axis]
    padding[axis] = low, high + more
    y = convolve(x, kernel, padding=padding, **options)
    return lax.slice_in_dim(y, 0, y.shape[axis + 1] - more, axis=axis + 1)
