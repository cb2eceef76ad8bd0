"""What convolutions share: their checks, and how a kernel slides."""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import check_bias, floats_or_none
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


def convolve(x: jax.Array, kernel: jax.Array, **options: Any) -> jax.Array:
    """XLA's convolution with channels last."""
    spatial = "DHW"[2 - kernel.ndim :]
    layout = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    return lax.conv_general_dilated(x, kernel, dimension_numbers=layout, **options)


def convolved(
    x: jax.Array,
    kernel: jax.Array,
    where: Windows,
    groups: int,
    by: Callable[..., jax.Array] = convolve,
) -> jax.Array:
    """The convolution: (batch, *spatial, c) -> (batch, *output, m)."""
    return by(
        x,
        kernel,
        window_strides=where.stride,
        padding=where.padding,
        rhs_dilation=where.dilation,
        feature_group_count=groups,
    )


def spread(
    x: jax.Array,
    kernel: jax.Array,
    where: Windows,
    groups: int,
    by: Callable[..., jax.Array] = convolve,
) -> jax.Array:
    """From what windows gave to what they saw: (batch, *output, c) -> (*spatial, m).

    A convolution of `x`, spread out by the stride. With the kernel turned round it is
    the transpose of `convolved`.
    """
    rows = zip(where.spatial, where.span, where.reach, where.padding)
    padding = [(span - 1 - low, n + low - r) for n, span, r, (low, _) in rows]
    return by(
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
