"""Transposed convolution over one to three spatial axes."""

from collections.abc import Sequence

import jax

from funcnn.errors import ShapeError
from funcnn.ops._convolution._convolve import (
    convolution_arguments,
    convolved,
    spread,
    turned,
)
from funcnn.ops._convolution._kernel_cotangent import kernel_cotangent
from funcnn.ops._convolution._windows import (
    Padding,
    Windows,
    pairs_of_padding,
    windows,
)
from funcnn.ops._products._affine import bias_cotangent, presence
from funcnn.rules import rule


def conv_transpose(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> jax.Array:
    """Spreads `x` out by the stride and slides `kernel` over it, with stride 1.

    It is the transpose of a convolution from the larger y to x: with its kernel turned
    round (flipped, its channels swapped), `conv_transpose` is that `conv`'s dx.

    Shapes: x (batch, *spatial, c), kernel (*window, c / groups, m), bias (m,)
            -> (batch, *output, m), with 1 to 3 spatial axes. Let span be the dilated
            window's extent. `padding` is "SAME" (output = spatial * stride), "VALID"
            (output = spatial * stride + max(span - stride, 0)) or a pair (low, high)
            for each spatial axis, by which x, spread out, is padded:
            output = (spatial - 1) * stride + low + high - span + 2. One number for
            `stride` or `dilation` stands for every axis. Output channels of group i
            see input channels of group i.
    Dtypes: the arguments' common float dtype.
    Errors: ShapeError unless the shapes fit; ValueError for options that are not
            understood.

    Gradient. Written for one axis with stride s, dilation d and low padding p, the
    output o sees the entry i that stands at i s:
        y_o = sum_(i, k: i s = o + k d - p) x_i W_k + b,
    each x W a product over channels. Let g = dL/dy; each pair (i, k) carries one
    product, with o = i s - k d + p, so
        dx_i = sum_k g_(i s - k d + p) W_k^T,
        dW_k = sum_i x_i^T g_(i s - k d + p),    db = sum_o g_o.
    With k' = n - 1 - k for the window's n entries, i s - k d + p is
    i s + k' d - (span - 1 - p): dx is `conv` of g by the kernel V turned round, with
    stride s, dilation d and low padding span - 1 - p, and y is what that `conv` has for
    its dx. So dV is `conv`'s kernel cotangent, of the input g with the cotangent x, and
    dW is dV turned round.
    Saved: x and kernel.
    Kinks: none.
    Source: Zeiler, Krishnan, Taylor & Fergus (2010), CVPR; Dumoulin & Visin (2016),
    arXiv:1603.07285.
    Differs: as `lax.conv_transpose` and Flax's `ConvTranspose`, which neither flip nor
    swap the kernel. Keras and PyTorch store it turned round, as `conv`'s; PyTorch's
    padding p is what is taken off: (span - 1 - p, span - 1 - p) here.
    """
    op = "conv_transpose"
    x, kernel, bias, groups = convolution_arguments(op, x, kernel, bias, groups)
    where = _windows(x, kernel, stride, padding, dilation)
    return _conv_transpose(x, kernel, bias, where, groups)


def _windows(x, kernel, stride, padding, dilation):
    """The geometry of the convolution whose transpose this is: from y to x."""
    op = "conv_transpose"
    # Its windows on x itself are not used: only that the options are understood.
    given = windows(op, x, kernel.shape[:-2], stride, "SAME", dilation)
    low_high = pairs_of_padding(op, padding, len(given.size), **_named_pairs(given))
    rows = [*zip(x.shape[1:-1], given.span, given.stride, low_high)]
    spatial = tuple(
        (n - 1) * s + low + high - span + 2 for n, span, s, (low, high) in rows
    )
    if min(spatial) < 1:
        raise ShapeError(
            f"{op}: a window of extent {given.span} does not fit into x {x.shape}, "
            f"spread out by {given.stride}, with padding {low_high}"
        )
    pads = tuple((span - 1 - low, span - 1 - high) for _, span, _, (low, high) in rows)
    return Windows(spatial, given.size, given.stride, pads, given.dilation)


def _named_pairs(given):
    """The padding that gives spatial * stride, and what a window reaches beyond it."""
    rows = [*zip(given.span, given.stride)]
    low = [span - 1 if s >= span else -(-(span + s - 2) // 2) for span, s in rows]
    return {
        "same": tuple((p, span + s - 2 - p) for p, (span, s) in zip(low, rows)),
        "valid": tuple((span - 1, max(span, s) - 1) for span, s in rows),
    }


def _reference(x, kernel, bias, where, groups):
    y = spread(x, kernel, where, groups)
    return y if bias is None else y + bias


def _forward(x, kernel, bias, where, groups):
    y = _reference(x, kernel, bias, where, groups)
    return y, (x, kernel, presence(bias))


def _backward(where, groups, saved, g):
    x, kernel, bias = saved
    dx = convolved(g, turned(kernel, groups), where, groups)
    return (
        dx,
        turned(kernel_cotangent(g, x, where, groups), groups),
        bias_cotangent(bias, g),
    )


def _cases(normal):
    def case(x, kernel, *, bias=True, stride=1, padding="SAME", dilation=1, groups=1):
        where = _windows(x, kernel, stride, padding, dilation)
        return x, kernel, normal(kernel.shape[-1]) if bias else None, where, groups

    yield case(normal(2, 3, 3), normal(3, 3, 2), stride=2)
    yield case(normal(1, 3, 2, 2), normal(2, 3, 2, 3), stride=(3, 2), padding="VALID")
    yield case(normal(1, 1, 2, 2, 1), normal(1, 3, 2, 1, 2), bias=False)
    yield case(normal(2, 4, 4), normal(3, 2, 6), groups=2, stride=2, dilation=2)
    yield case(normal(1, 3, 2, 1), normal(2, 2, 1, 2), padding=((0, 3), (1, 0)))
    yield case(normal(1, 2, 1), normal(1, 1, 1), stride=3, padding="VALID")
    yield case(normal(0, 4, 2), normal(3, 2, 2))


_conv_transpose = rule(
    _reference, _forward, _backward, static=["where", "groups"], cases=_cases
)
