"""Convolution over one to three spatial axes."""

import dataclasses
import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import transposed
from funcnn.errors import ShapeError
from funcnn.ops._arguments import wide
from funcnn.ops._convolution._chunks import images_in_cache, joined_from_chunks
from funcnn.ops._convolution._convolve import (
    convolution_arguments,
    convolved,
    spread,
    turned,
)
from funcnn.ops._convolution._convolve_on_cpu import convolve_on_cpu
from funcnn.ops._convolution._kernel_cotangent import kernel_cotangent
from funcnn.ops._convolution._windows import Padding, windows
from funcnn.ops._products._affine import bias_cotangent, presence
from funcnn.rules import rule

_PLACES = 49  # of a window, at most: each of them is in the program


def conv(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> jax.Array:
    """Slides `kernel` over the spatial axes of `x`; the kernel is not flipped.

    Shapes: x (batch, *spatial, c), kernel (*window, c / groups, m), bias (m,)
            -> (batch, *output, m), with 1 to 3 spatial axes. `padding` is "SAME"
            (output = ceil(spatial / stride)), "VALID" (none) or a pair (low, high)
            for each spatial axis; one number for `stride` or `dilation` stands for
            every axis. Output channels of group i see input channels of group i.
    Dtypes: the arguments' common float dtype.
    Errors: ShapeError unless the shapes fit; ValueError for options that are not
            understood.

    Gradient. Written for one axis with stride s, dilation d and low padding p,
        y_o = sum_k x_(o s + k d - p) W_k + b,
    each x W a product over channels. Let g = dL/dy. Every pair (o, k) carries one
    product, which the two cotangents share out:
        dx_i = sum_(o, k: o s + k d - p = i) g_o W_k^T,
        dW_k = sum_o x_(o s + k d - p)^T g_o,    db = sum_o g_o.
    dx is again a convolution: of g, spread out by s (`lhs_dilation`), with the
    kernel flipped and its channels swapped, padded by span - 1 - p, where span is
    the dilated window's extent. dW is a matrix product of x's patches and g.
    Saved: x and kernel.
    Kinks: none.
    Platforms: on CPU, dW is computed in chunks of the batch that stay in a cache, as
    matrix products or as convolutions with the images for channels, because XLA's
    convolution for it runs slowly there, above all inside a loop; elsewhere as a
    convolution of x with g, in which batch and channels swap. With a stride, or to
    one channel, dx is on CPU the product of g with all W_k^T, added up, because XLA
    would multiply the zeros between the entries of g.
    Source: LeCun et al. (1989), Neural Computation 1; Dumoulin & Visin (2016),
    arXiv:1603.07285, for the arithmetic of strides.
    """
    x, kernel, bias, groups = convolution_arguments("conv", x, kernel, bias, groups)
    where = windows("conv", x, kernel.shape[:-2], stride, padding, dilation)
    return _conv(x, kernel, bias, where, groups)


def causal_conv(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    dilation: int = 1,
    groups: int = 1,
) -> jax.Array:
    """Slides `kernel` over time, so that no output sees what comes after it.

    Shapes: x (batch, time, c), kernel (window, c / groups, m), bias (m,)
            -> (batch, time, m). The kernel's last entry meets the present.
    Dtypes: the arguments' common float dtype.
    Errors: ShapeError unless the shapes fit; ValueError for options that are not
            understood.

    Gradient. It is `conv` along one axis with stride 1, all padding on the low side:
    p = (window - 1) d, so that y_t = sum_k x_(t - (window - 1 - k) d) W_k + b sees
    x up to t. Its cotangents are those of `conv`; dx_t has g from t on.
    Saved: x and kernel.
    Kinks: none.
    Source: van den Oord et al. (2016), arXiv:1609.03499.
    Differs: it is Flax's `Conv` with padding "CAUSAL" and Keras's `Conv1D` with
    padding "causal"; both have a stride too.
    """
    arrays = convolution_arguments("causal_conv", x, kernel, bias, groups)
    x, kernel, bias, groups = arrays
    if x.ndim != 3 or kernel.ndim != 3:
        raise ShapeError(
            "causal_conv: needs x of shape (batch, time, c) and kernel "
            f"(window, c / groups, m), got {x.shape} and {kernel.shape}"
        )
    where = windows("causal_conv", x, kernel.shape[:1], 1, "SAME", dilation)
    past = dataclasses.replace(where, padding=((where.span[0] - 1, 0),))
    return _conv(x, kernel, bias, past, groups)


def _reference(x, kernel, bias, where, groups):
    y = convolved(x, kernel, where, groups)
    return y if bias is None else y + bias


def _forward(x, kernel, bias, where, groups):
    y = lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: convolved(x, kernel, where, groups, convolve_on_cpu),
        default=lambda x, kernel: convolved(x, kernel, where, groups),
    )
    y = y if bias is None else y + bias
    return y, (x, kernel, presence(bias))


def _backward(where, groups, saved, g):
    x, kernel, bias = saved
    dx = _input_cotangent(kernel, g, where, groups)
    return dx, kernel_cotangent(x, g, where, groups), bias_cotangent(bias, g)


def _input_cotangent(kernel, g, where, groups):
    """What each entry of x gives to all windows that see it, times their cotangent.

    On CPU, XLA runs its convolution for it slowly to one channel, and with a stride,
    which spreads g out with zeros between. So there it is a product, whose parts are
    added up where they belong. Elsewhere it is as XLA's compilers know it best.
    """

    def by_library(kernel, g):
        return spread(g, turned(kernel, groups), where, groups, convolve_on_cpu)

    def by_transposing(kernel, g):
        shape = (len(g), *where.spatial, kernel.shape[-2] * groups)
        convolution = functools.partial(
            convolved, kernel=kernel, where=where, groups=groups
        )
        return transposed(convolution, shape, g)

    by_products = functools.partial(_by_products, where=where)
    return lax.platform_dependent(
        kernel,
        g,
        cpu=by_products if _faster_by_products(kernel, where, groups) else by_library,
        default=by_transposing,
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


def _cases(normal):
    def case(x, kernel, *, bias=True, stride=1, padding="SAME", dilation=1, groups=1):
        where = windows("conv", x, kernel.shape[:-2], stride, padding, dilation)
        return x, kernel, normal(kernel.shape[-1]) if bias else None, where, groups

    yield case(normal(2, 5, 3), normal(3, 3, 2))
    yield case(normal(2, 5, 4, 3), normal(3, 2, 3, 4))
    yield case(normal(1, 3, 4, 2, 2), normal(2, 3, 1, 2, 3), padding="VALID")
    yield case(normal(2, 5, 7, 1), normal(3, 3, 1, 2), bias=False, stride=2)
    yield case(normal(1, 7, 6, 2), normal(2, 3, 2, 1), dilation=(2, 1), stride=(1, 2))
    yield case(normal(1, 4, 5, 4), normal(3, 3, 2, 6), groups=2)
    yield case(normal(2, 6, 3), normal(2, 1, 3), groups=3, stride=2, dilation=2)
    yield case(normal(1, 5, 4, 2), normal(2, 3, 2, 2), padding=((0, 2), (3, 1)))
    yield case(normal(1, 1, 1, 1), normal(1, 1, 1, 1), bias=False)
    yield case(normal(0, 4, 2), normal(3, 2, 2))
    yield case(normal(13, 3, 1), normal(2, 1, 2))
    yield case(normal(1, 5, 2), normal(2, 2, 3), dilation=2, bias=False)
    yield case(normal(1, 1, 8, 17), normal(1, 3, 17, 2))  # of many channels


_conv = rule(_reference, _forward, _backward, static=["where", "groups"], cases=_cases)
