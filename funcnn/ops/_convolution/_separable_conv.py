"""Convolution in two factors: of each channel by itself, then across channels."""

from collections.abc import Sequence

import jax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import wide
from funcnn.ops._convolution._convolve import convolved, floats_and_bias
from funcnn.ops._convolution._depthwise_conv import (
    check_depthwise,
    depthwise,
    depthwise_cotangents,
)
from funcnn.ops._convolution._windows import Padding, windows
from funcnn.ops._products._affine import (
    bias_cotangent,
    presence,
    product,
    product_cotangents,
)
from funcnn.rules import rule


def separable_conv(
    x: jax.Array,
    depthwise_kernel: jax.Array,
    pointwise_kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
) -> jax.Array:
    """`depthwise_conv`, and a product that mixes its channels at each place.

    Shapes: x (batch, *spatial, c), depthwise_kernel (*window, 1, n) with n a multiple
            of c, pointwise_kernel (n, m), bias (m,) -> (batch, *output, m), with 1 to
            3 spatial axes. The options are those of `depthwise_conv`.
    Dtypes: the arguments' common float dtype; sums in float32 or wider.
    Errors: ShapeError unless the shapes fit; ValueError for options that are not
            understood.

    Gradient. With h = D(x, V), the depthwise convolution of x by V, and g = dL/dy,
        y = h P + b,
        dP = sum h^T g,   db = sum g,   dh = g P^T,
    where the sums run over batch and places. From dh the cotangents of x and V are
    those of `depthwise_conv`, which see x and V alone.
    Saved: x and both kernels; h, which has n / c times the size of x, is made again.
    Kinks: none.
    Source: Sifre (2014), thesis, Ecole Polytechnique; Chollet (2017), arXiv:1610.02357.
    Differs: Keras has depthwise kernels (*window, c, n / c) and pointwise ones with
    axes of size 1 before (n, m): the same numbers in the same order.
    """
    op = "separable_conv"
    named = {"x": x, "depthwise_kernel": depthwise_kernel}
    named["pointwise_kernel"] = pointwise_kernel
    x, outer, inner, bias = floats_and_bias(op, named, bias)
    check_depthwise(op, x, outer)
    if inner.ndim != 2 or inner.shape[0] != outer.shape[-1]:
        raise ShapeError(
            f"{op}: depthwise_kernel {outer.shape} needs pointwise_kernel "
            f"({outer.shape[-1]}, m), got {inner.shape}"
        )
    where = windows(op, x, outer.shape[:-2], stride, padding, dilation)
    return _separable_conv(x, outer, inner, bias, where)


def _reference(x, outer, inner, bias, where):
    y = convolved(x, outer, where, x.shape[-1]) @ inner
    return y if bias is None else y + bias


def _forward(x, outer, inner, bias, where):
    h = depthwise(x, outer, where).astype(x.dtype)
    y = product(h, inner)
    y = y if bias is None else y + wide(bias)
    return y.astype(x.dtype), (x, outer, inner, presence(bias))


def _backward(where, saved, g):
    x, outer, inner, bias = saved
    h = depthwise(x, outer, where).astype(x.dtype)
    dh, dinner = product_cotangents(h, inner, g)
    dx, douter = depthwise_cotangents(x, outer, dh.astype(x.dtype), where)
    return dx, douter, dinner, bias_cotangent(bias, g)


def _cases(normal):
    def case(x, outer, inner, *, bias=True, stride=1, padding="SAME", dilation=1):
        options = (stride, padding, dilation)
        where = windows("separable_conv", x, outer.shape[:-2], *options)
        return x, outer, inner, normal(inner.shape[-1]) if bias else None, where

    yield case(normal(2, 5, 2), normal(3, 1, 2), normal(2, 3))
    yield case(normal(1, 3, 4, 2), normal(2, 3, 1, 4), normal(4, 3), stride=(2, 1))
    yield case(
        normal(1, 5, 4, 1), normal(2, 2, 1, 3), normal(3, 1), bias=False, dilation=2
    )
    yield case(
        normal(1, 2, 2, 3, 1), normal(1, 2, 2, 1, 1), normal(1, 2), padding="VALID"
    )
    yield case(normal(0, 4, 2), normal(3, 1, 2), normal(2, 3))


_separable_conv = rule(_reference, _forward, _backward, static="where", cases=_cases)
