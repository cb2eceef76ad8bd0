"""The kernel's cotangent of a convolution, which XLA's own is slow at on CPU."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._convolution._chunks import images_in_cache, summed_over_chunks
from funcnn.ops._convolution._convolve import convolve
from funcnn.ops._convolution._convolve_on_cpu import YNNPACK_CHANNELS
from funcnn.ops._convolution._windows import Windows

_FEW = 8  # channels of x: below, neither products nor chunks of few outputs pay
_LANES = 16  # what the convolutions of XLA's libraries make of y's channels at once
_LEAST = 4  # images, so that the sum over chunks is little beside them


def kernel_cotangent(
    x: jax.Array, g: jax.Array, where: Windows, groups: int
) -> jax.Array:
    """The sum over all windows of what they see of x times their cotangent in g.

    On CPU, XLA runs its convolution for it slowly with a stride, with a window of one
    entry, with some numbers of channels, and above all inside a loop, where it is not
    brought into the form that runs fast. So there it is computed as matrix products,
    or brought into that form here; both in chunks of images that stay in the cache.
    """

    def on_cpu(x, g):
        by_products = _runs_faster_by_products(x, g, where, groups)
        by = kernel_cotangent_by_products if by_products else _by_plain_convolutions
        return by(x, g, where, groups)

    return lax.platform_dependent(
        x,
        g,
        cpu=on_cpu,
        default=lambda x, g: kernel_cotangent_by_convolution(x, g, where, groups),
    )


def _runs_faster_by_products(x, g, where, groups):
    """By measurement, with the other gradient's convolution beside it on 2 cores."""
    if groups > 1 or set(where.stride) != {1} or set(where.size) == {1}:
        return True
    few = x.shape[-1] == 1 or _FEW <= x.shape[-1] <= 16
    return few and g.shape[-1] % _LANES != 0


def _by_plain_convolutions(x, g, where, groups):
    """As plain convolutions of so many images as stay in the cache."""
    del groups  # one
    convolution = functools.partial(_by_plain_convolution, where=where)
    if x.ndim != 4:  # another library's, which chunks bring nothing
        return convolution(x, g)
    shape = (*where.size, x.shape[-1], g.shape[-1])
    return summed_over_chunks(convolution, shape, _images(x, g), x, g)


def _images(x, g):
    if g.shape[-1] < YNNPACK_CHANNELS:
        # The images are what this convolution has for channels: there must be enough.
        return len(x) if x.shape[-1] < _FEW else 2 * YNNPACK_CHANNELS
    both = sum(array.dtype.itemsize * math.prod(array.shape[1:]) for array in (x, g))
    return max(_LEAST, images_in_cache(2 * both))  # each has its transpose


def _by_plain_convolution(x, g, where):
    """It as the convolution of the examples' channels that runs as a forward one.

    The barriers keep XLA from taking the transposes back into its layouts.
    """
    last = x.ndim - 1
    spatial = tuple(range(1, last))
    options = {"window_strides": where.dilation, "padding": where.padding}
    dtype = wide(x).dtype
    x = lax.optimization_barrier(x.transpose(last, *spatial, 0))
    g = lax.optimization_barrier(g.transpose(*spatial, 0, last))
    turned = convolve(x, g, preferred_element_type=dtype, **options)
    return turned.transpose(*spatial, 0, last)


def kernel_cotangent_by_convolution(
    x: jax.Array, g: jax.Array, where: Windows, groups: int
) -> jax.Array:
    """It as a convolution of x with g, in which x's channels are its batch.

    The batch is summed over; the stride of y is the dilation of g, and the reverse.
    """
    spatial = "DHW"[-len(where.size) :]
    layout = (f"C{spatial}N", f"I{spatial}O", f"{spatial}NC")
    rows = zip(where.spatial, where.span, where.reach, where.padding)
    padding = [(low, span - 1 + r - n - low) for n, span, r, (low, _) in rows]
    return lax.conv_general_dilated(
        x,
        g,
        dimension_numbers=layout,
        window_strides=where.dilation,
        padding=padding,
        rhs_dilation=where.stride,
        batch_group_count=groups,
    ).astype(wide(x).dtype)


def kernel_cotangent_by_products(
    x: jax.Array, g: jax.Array, where: Windows, groups: int
) -> jax.Array:
    """It as patches times cotangents."""
    shape = (*where.size, x.shape[-1] // groups, g.shape[-1])
    products = functools.partial(_patch_products, where=where, groups=groups)
    patches = 4 * math.prod(where.output) * where.size[-1] * x.shape[-1]
    return summed_over_chunks(products, shape, images_in_cache(patches), x, g)


def _patch_products(x, g, where, groups):
    """That of one chunk: one product for each row of the kernel's window."""
    padded = where.padded(x, 0)
    g = g.reshape(-1, groups, g.shape[-1] // groups)

    def channels(offset):
        return where.entry(padded, offset).reshape(len(g), groups, -1)

    rows = (
        jnp.concatenate([channels((*row, k)) for k in range(where.size[-1])], -1)
        for row in itertools.product(*map(range, where.size[:-1]))
    )
    split = where.size[-1], x.shape[-1] // groups, g.shape[-1] * groups
    products = [_inner_product(row, g).reshape(split) for row in rows]
    return jnp.stack(products).reshape(*where.size, *split[1:])


def _inner_product(a, b):
    """The sum of a_p b_p' over p: (p, group, m), (p, group, n) -> (m, group, n).

    The narrower factor comes first, for XLA multiplies so faster on CPU.
    """
    if a.shape[-1] > b.shape[-1]:
        return _inner_product(b, a).transpose(2, 1, 0)
    dtype = wide(b).dtype
    if a.shape[1] == 1:  # as matrices, for batched ones are slower
        product = jnp.matmul(a[:, 0].T, b[:, 0], preferred_element_type=dtype)
        return product[:, None]
    return jnp.einsum("pgm,pgn->mgn", a, b, preferred_element_type=dtype)
