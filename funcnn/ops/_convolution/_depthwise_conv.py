"""Convolution of each channel by itself."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import leading_axes, wide
from funcnn.ops._convolution._chunks import summed_over_chunks
from funcnn.ops._convolution._convolve import (
    check_window_axes,
    convolved,
    floats_and_bias,
    spread,
    turned,
)
from funcnn.ops._convolution._kernel_cotangent import kernel_cotangent_by_convolution
from funcnn.ops._convolution._windows import Padding, Windows, windows
from funcnn.ops._products._affine import bias_cotangent, presence
from funcnn.rules import rule

# Of the output in a chunk for the kernel's cotangent, by measurement.
_ENTRIES = 131_072


def depthwise_conv(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
) -> jax.Array:
    """Slides over each channel of `x` kernels of its own: `conv` with c groups.

    Shapes: x (batch, *spatial, c), kernel (*window, 1, c * multiplier), bias
            (c * multiplier,) -> (batch, *output, c * multiplier), with 1 to 3 spatial
            axes. The outputs of one channel stand side by side. `padding` is "SAME"
            (output = ceil(spatial / stride)), "VALID" (none) or a pair (low, high)
            for each spatial axis; one number for `stride` or `dilation` stands for
            every axis.
    Dtypes: the arguments' common float dtype; sums in float32 or wider.
    Errors: ShapeError unless the shapes fit; ValueError for options that are not
            understood.

    Gradient. Let x_k be x moved by the place k of the window, so that x_k has at o the
    entry that k meets there, and its channels repeated `multiplier` times. Then
        y = sum_k x_k W_k + b
    is a sum of products entry by entry, W_k and b being the same at all places, so
        dx_k = g W_k,   dW_k = sum_o (x_k g)_o,   db = sum_o g_o,
    and dx sums the dx_k, each moved back by k, over k and the repetitions.
    Saved: x and kernel.
    Kinks: none.
    Platforms: on CPU it is computed as these sums, because XLA's grouped convolution
    is a slow loop there; elsewhere as a convolution with c groups.
    Source: Sifre (2014), thesis, Ecole Polytechnique; Chollet (2017), arXiv:1610.02357.
    Differs: the layout is that of Flax's `Conv` with feature_group_count = c; Keras
    has kernels (*window, c, multiplier), the same numbers in the same order.
    """
    op = "depthwise_conv"
    x, kernel, bias = floats_and_bias(op, {"x": x, "kernel": kernel}, bias)
    check_depthwise(op, x, kernel)
    where = windows(op, x, kernel.shape[:-2], stride, padding, dilation)
    return _depthwise_conv(x, kernel, bias, where)


def check_depthwise(op: str, x: jax.Array, kernel: jax.Array) -> None:
    """Raises ShapeError unless each channel of `x` has kernels of its own."""
    check_window_axes(op, kernel, "1, c * multiplier")
    channels = x.shape[-1] if x.ndim else 0
    if kernel.shape[-2] != 1 or not channels or kernel.shape[-1] % channels:
        raise ShapeError(
            f"{op}: x {x.shape} needs a depthwise kernel (*window, 1, {channels} * "
            f"multiplier), got {kernel.shape}"
        )


def _reference(x, kernel, bias, where):
    y = convolved(x, kernel, where, x.shape[-1])
    return y if bias is None else y + bias


def _forward(x, kernel, bias, where):
    y = depthwise(x, kernel, where)
    y = y if bias is None else y + wide(bias)
    return y.astype(x.dtype), (x, kernel, presence(bias))


def _backward(where, saved, g):
    x, kernel, bias = saved
    return *depthwise_cotangents(x, kernel, g, where), bias_cotangent(bias, g)


def depthwise(x: jax.Array, kernel: jax.Array, where: Windows) -> jax.Array:
    """The convolution as plain code, in float32 or wider."""
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: _by_products(x, kernel, where),
        default=lambda x, kernel: _by_convolution(x, kernel, where),
    )


def depthwise_cotangents(
    x: jax.Array, kernel: jax.Array, g: jax.Array, where: Windows
) -> tuple[jax.Array, jax.Array]:
    """Those of x and of the kernel, in float32 or wider."""
    return lax.platform_dependent(
        x,
        kernel,
        g,
        cpu=lambda x, kernel, g: _cotangents_by_products(x, kernel, g, where),
        default=lambda x, kernel, g: _cotangents_by_convolution(x, kernel, g, where),
    )


def _by_convolution(x, kernel, where):
    return wide(convolved(x, kernel, where, x.shape[-1]))


def _cotangents_by_convolution(x, kernel, g, where):
    channels = x.shape[-1]
    dx = spread(g, turned(kernel, channels), where, channels)
    return wide(dx), kernel_cotangent_by_convolution(x, g, where, channels)


def _by_products(x, kernel, where):
    moved, taps = _moved(x, kernel, where), _taps(kernel, where)
    return sum(entry * tap for entry, tap in zip(moved, taps))


def _cotangents_by_products(x, kernel, g, where):
    shares = (wide(g) * tap for tap in _taps(kernel, where))
    repeated = (*g.shape[:-1], x.shape[-1], g.shape[-1] // x.shape[-1])
    dx = where.added_up(share.reshape(repeated).sum(-1) for share in shares)

    def of_chunk(x, g):
        products = (entry * wide(g) for entry in _moved(x, kernel, where))
        return jnp.stack([p.sum(leading_axes(p)) for p in products])

    shape = (len(where.offsets), g.shape[-1])
    images = _ENTRIES // max(1, math.prod(g.shape[1:]))
    dkernel = summed_over_chunks(of_chunk, shape, images, x, g)
    return dx, dkernel.reshape(kernel.shape)


def _taps(kernel, where):
    """The weights at each place of the window: (c * multiplier,) each."""
    return (wide(kernel[offset][0]) for offset in where.offsets)


def _moved(x, kernel, where):
    """`x` as each place of the window sees it: (batch, *output, c * multiplier)."""
    padded = where.padded(wide(x), 0)
    for offset in where.offsets:
        entry = where.entry(padded, offset)
        yield jnp.repeat(entry, kernel.shape[-1] // x.shape[-1], -1)


def _cases(normal):
    def case(x, kernel, *, bias=True, stride=1, padding="SAME", dilation=1):
        options = (stride, padding, dilation)
        where = windows("depthwise_conv", x, kernel.shape[:-2], *options)
        return x, kernel, normal(kernel.shape[-1]) if bias else None, where

    yield case(normal(2, 5, 3), normal(3, 1, 3))
    yield case(normal(2, 4, 3, 2), normal(2, 3, 1, 6), stride=(1, 2))  # multiplier 3
    yield case(normal(1, 5, 4, 2), normal(3, 2, 1, 2), stride=2, dilation=2, bias=False)
    yield case(normal(1, 3, 4, 1), normal(2, 2, 1, 2), padding=((0, 2), (3, 1)))
    yield case(normal(1, 2, 3, 2, 1), normal(1, 2, 2, 1, 1), padding="VALID")
    yield case(normal(0, 4, 2), normal(3, 1, 2))


_depthwise_conv = rule(_reference, _forward, _backward, static="where", cases=_cases)
