"""Convolution over one to three spatial axes."""

import functools
import itertools
import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, leading_axes, wide
from funcnn.ops._convolution._windows import Padding, windows
from funcnn.rules import rule


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
    Platforms: on CPU, dW is computed as matrix products over chunks of the batch,
    because XLA's convolution for it runs slowly there, above all inside a loop;
    elsewhere as a convolution of x with g, in which batch and channels swap.
    Source: LeCun et al. (1989), Neural Computation 1; Dumoulin & Visin (2016),
    arXiv:1603.07285, for the arithmetic of strides.
    """
    named = {"x": x, "kernel": kernel} | ({} if bias is None else {"bias": bias})
    x, kernel, *biases = floats("conv", **named)
    if kernel.ndim < 3:
        raise ShapeError(
            "conv: kernel must have shape (*window, c / groups, m) with 1 to 3 window "
            f"axes, got {kernel.shape}"
        )
    where = windows("conv", x, kernel.shape[:-2], stride, padding, dilation)
    groups = _whole_number(groups)
    _check_channels(x, kernel, groups)
    if biases and biases[0].shape != kernel.shape[-1:]:
        raise ShapeError(
            f"conv: kernel {kernel.shape} needs bias {kernel.shape[-1:]}, "
            f"got {biases[0].shape}"
        )
    return _conv(x, kernel, biases[0] if biases else None, where, groups)


def _whole_number(groups):
    try:
        return operator.index(groups)
    except TypeError as error:
        raise ValueError(
            f"conv: groups must be a positive whole number, got {groups!r}"
        ) from error


def _check_channels(x, kernel, groups):
    inputs, outputs = kernel.shape[-2:]
    if groups < 1 or outputs % groups:
        raise ShapeError(
            f"conv: groups must be a positive divisor of the {outputs} output "
            f"channels, got {groups!r}"
        )
    if x.shape[-1] != inputs * groups:
        raise ShapeError(
            f"conv: kernel {kernel.shape} with groups={groups} needs x with "
            f"{inputs * groups} channels, got {x.shape}"
        )


def _convolve(x, kernel, axes, **options):
    """XLA's convolution with channels last."""
    spatial = "DHW"[-axes:]
    layout = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    return lax.conv_general_dilated(x, kernel, dimension_numbers=layout, **options)


def _reference(x, kernel, bias, where, groups):
    y = _convolve(
        x,
        kernel,
        len(where.size),
        window_strides=where.stride,
        padding=where.padding,
        rhs_dilation=where.dilation,
        feature_group_count=groups,
    )
    return y if bias is None else y + bias


def _forward(x, kernel, bias, where, groups):
    y = _reference(x, kernel, bias, where, groups)
    # An empty slice tells the backward pass that there is a bias, and costs nothing.
    return y, (x, kernel, None if bias is None else bias[:0])


def _backward(where, groups, saved, g):
    x, kernel, bias = saved
    options = {"where": where, "groups": groups}
    dkernel = lax.platform_dependent(
        x,
        g,
        cpu=functools.partial(_kernel_cotangent_by_products, **options),
        default=functools.partial(_kernel_cotangent_by_convolution, **options),
    )
    dbias = None if bias is None else wide(g).sum(leading_axes(g))
    return _input_cotangent(g, kernel, where, groups), dkernel, dbias


def _input_cotangent(g, kernel, where, groups):
    axes = len(where.size)
    flipped = jnp.flip(kernel, range(axes))
    *window, inputs, outputs = flipped.shape
    split = flipped.reshape(*window, inputs, groups, outputs // groups)
    # Within each group, input and output channels change places.
    swapped = split.swapaxes(-1, -3).reshape(*window, outputs // groups, -1)
    rows = zip(where.spatial, where.span, where.reach, where.padding)
    padding = [(span - 1 - low, n + low - r) for n, span, r, (low, _) in rows]
    return _convolve(
        g,
        swapped,
        axes,
        window_strides=(1,) * axes,
        padding=padding,
        lhs_dilation=where.stride,
        rhs_dilation=where.dilation,
        feature_group_count=groups,
    )


def _kernel_cotangent_by_convolution(x, g, where, groups):
    """The kernel's as a convolution of x with g, in which x's channels are its batch.

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


_IMAGES_PER_CHUNK = 16  # so that a chunk's patches stay in the processor's cache


def _kernel_cotangent_by_products(x, g, where, groups):
    """The kernel's as patches times cotangents, summed over chunks of the batch."""
    images = min(_IMAGES_PER_CHUNK, max(1, x.shape[0]))
    chunks = -(-x.shape[0] // images)

    def chunked(array):
        missing = chunks * images - array.shape[0]
        array = jnp.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
        return array.reshape(chunks, images, *array.shape[1:])

    def add(total, chunk):
        images, cotangents = chunk
        return total + _patch_products(images, cotangents, where, groups), None

    shape = (*where.size, x.shape[-1] // groups, g.shape[-1])
    zero = jnp.zeros(shape, wide(x).dtype)
    return lax.scan(add, zero, (chunked(x), chunked(g)))[0]


def _patch_products(x, g, where, groups):
    """That of one chunk: one product for each row of the kernel's window."""
    padded = where.padded(x, 0)
    g = g.reshape(-1, groups, g.shape[-1] // groups)
    rows = [
        jnp.stack([where.entry(padded, (*row, k)) for k in range(where.size[-1])], -2)
        for row in itertools.product(*map(range, where.size[:-1]))
    ]
    products = [
        jnp.einsum(
            "pkgc,pgm->kcgm",
            row.reshape(len(g), where.size[-1], groups, -1),
            g,
            preferred_element_type=wide(g).dtype,
        )
        for row in rows
    ]
    return jnp.stack(products).reshape(*where.size, x.shape[-1] // groups, -1)


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
    yield case(normal(17, 3, 1), normal(2, 1, 2))  # more than a chunk of the batch


_conv = rule(_reference, _forward, _backward, static=["where", "groups"], cases=_cases)
