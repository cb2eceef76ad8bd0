"""What convolutions share: their checks, and the three products of a convolution."""

import functools
import itertools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import check_bias, floats_or_none, wide
from funcnn.ops._convolution._windows import Windows


def convolution_arguments(
    op: str, x: Any, kernel: Any, bias: Any, groups: Any = 1
) -> tuple[jax.Array, jax.Array, jax.Array | None, int]:
    """Reads x, kernel (*window, c / groups, m), bias (m,) or None, and groups.

    Raises:
      ShapeError: unless they fit together.
      DtypeError: unless they are of float dtypes.
      ValueError: when `groups` is no whole number.
    """
    x, kernel, bias = floats_and_bias(op, {"x": x, "kernel": kernel}, bias)
    check_window_axes(op, kernel, "c / groups, m")
    groups = _whole_number(op, groups)
    inputs, outputs = kernel.shape[-2:]
    if groups < 1 or outputs % groups:
        raise ShapeError(
            f"{op}: groups must be a positive divisor of the {outputs} output "
            f"channels, got {groups!r}"
        )
    if x.ndim and x.shape[-1] != inputs * groups:
        raise ShapeError(
            f"{op}: kernel {kernel.shape} with groups={groups} needs x with "
            f"{inputs * groups} channels, got {x.shape}"
        )
    return x, kernel, bias, groups


def floats_and_bias(op: str, arrays: dict[str, Any], bias: Any) -> Any:
    """`arrays` in their common dtype, and a bias (m,) for the last one's m, or None."""
    *values, bias = floats_or_none(op, ["bias"], **arrays, bias=bias)
    shape = values[-1].shape
    check_bias(op, bias, shape[-1:], f"{[*arrays][-1]} {shape}")
    return (*values, bias)


def check_window_axes(op: str, kernel: jax.Array, channels: str) -> None:
    """Raises ShapeError unless `kernel` has axes of a window before its last two."""
    if kernel.ndim < 3:
        raise ShapeError(
            f"{op}: kernel must have shape (*window, {channels}) with 1 to 3 window "
            f"axes, got {kernel.shape}"
        )


def _whole_number(op: str, groups: Any) -> int:
    try:
        return operator.index(groups)
    except TypeError as error:
        raise ValueError(
            f"{op}: groups must be a positive whole number, got {groups!r}"
        ) from error


def convolved(
    x: jax.Array, kernel: jax.Array, where: Windows, groups: int
) -> jax.Array:
    """The convolution: (batch, *spatial, c) -> (batch, *output, m)."""
    return _convolve(
        x,
        kernel,
        window_strides=where.stride,
        padding=where.padding,
        rhs_dilation=where.dilation,
        feature_group_count=groups,
    )


def spread(x: jax.Array, kernel: jax.Array, where: Windows, groups: int) -> jax.Array:
    """From what windows gave to what they saw: (batch, *output, c) -> (*spatial, m).

    A convolution of `x`, spread out by the stride. With the kernel turned round it is
    the transpose of `convolved`.
    """
    rows = zip(where.spatial, where.span, where.reach, where.padding)
    padding = [(span - 1 - low, n + low - r) for n, span, r, (low, _) in rows]
    return _convolve(
        x,
        kernel,
        window_strides=(1,) * len(where.size),
        padding=padding,
        lhs_dilation=where.stride,
        rhs_dilation=where.dilation,
        feature_group_count=groups,
    )


def turned(kernel: jax.Array, groups: int) -> jax.Array:
    """`kernel` flipped, its channels swapped: (*window, m / groups, c) of m and c."""
    flipped = jnp.flip(kernel, range(kernel.ndim - 2))
    *window, inputs, outputs = flipped.shape
    split = flipped.reshape(*window, inputs, groups, outputs // groups)
    # Within each group, input and output channels change places.
    return split.swapaxes(-1, -3).reshape(*window, outputs // groups, inputs * groups)


def _convolve(x, kernel, **options):
    """XLA's convolution with channels last."""
    spatial = "DHW"[2 - kernel.ndim :]
    layout = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    return lax.conv_general_dilated(x, kernel, dimension_numbers=layout, **options)


def kernel_cotangent(
    x: jax.Array, g: jax.Array, where: Windows, groups: int
) -> jax.Array:
    """The sum over all windows of what they see of x times their cotangent in g.

    On CPU as matrix products over chunks of the batch, because XLA's convolution for
    it runs slowly there, above all inside a loop; elsewhere as a convolution.
    """
    return lax.platform_dependent(
        x,
        g,
        cpu=lambda x, g: kernel_cotangent_by_products(x, g, where, groups),
        default=lambda x, g: kernel_cotangent_by_convolution(x, g, where, groups),
    )


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
    return summed_over_chunks(products, shape, 16, x, g)


def summed_over_chunks(
    f: Callable[..., jax.Array],
    shape: tuple[int, ...],
    images: int,
    x: jax.Array,
    g: jax.Array,
) -> jax.Array:
    """`f(x, g)` for so many `images` at a time, so that they stay in the cache."""
    images = min(images, max(1, x.shape[0]))
    chunks = -(-x.shape[0] // images)

    def chunked(array):
        missing = chunks * images - array.shape[0]
        array = jnp.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
        return array.reshape(chunks, images, *array.shape[1:])

    def add(total, chunk):
        return total + f(*chunk), None

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
