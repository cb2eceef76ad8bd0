"""The input's cotangent of a convolution, which XLA's own is slow at on CPU."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._convolution._chunks import images_in_cache, joined_from_chunks
from funcnn.ops._convolution._convolve import convolve, spread, turned
from funcnn.ops._convolution._convolve_on_cpu import convolve_on_cpu
from funcnn.ops._convolution._windows import Windows

_PLACES = 49  # of a window, at most: each of them is in the program


def input_cotangent(
    kernel: jax.Array, g: jax.Array, where: Windows, groups: int
) -> jax.Array:
    """What each entry of x gives to all windows that see it, times their cotangent.

    On CPU, XLA runs its convolution for it slowly to one channel, and with a stride,
    which spreads g out with zeros between. So there it is a product, whose parts are
    added up where they belong.
    """

    def by_convolution(kernel, g, by=convolve):
        return spread(g, turned(kernel, groups), where, groups, by)

    by_products = functools.partial(_by_products, where=where)
    by_library = functools.partial(by_convolution, by=convolve_on_cpu)
    return lax.platform_dependent(
        kernel,
        g,
        cpu=by_products if _faster_by_products(kernel, where, groups) else by_library,
        default=by_convolution,
    )


def _faster_by_products(kernel, where, groups):
    strided = set(where.stride) != {1} and len(where.offsets) <= _PLACES
    return groups == 1 and (kernel.shape[-2] == 1 or strided)


def _by_products(kernel, g, where):
    taps, dtype = kernel.reshape(-1, kernel.shape[-1]), wide(g).dtype

    def of_chunk(g):
        shares = jnp.matmul(g, taps.T, preferred_element_type=dtype)
        parts = jnp.split(shares, len(where.offsets), -1)
        return where.added_up(parts).astype(g.dtype)

    image = dtype.itemsize * math.prod(where.output) * len(taps)
    return joined_from_chunks(of_chunk, images_in_cache(image), g)
