"""The affine map x W + b: the product that nets are made of."""

import math

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, leading_axes, wide
from funcnn.rules import rule


def affine(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """X @ kernel + bias over the last axis of `x`.

    Shapes: x (..., n), kernel (n, m), bias (m,) -> (..., m).
    Dtypes: the arguments' common float dtype; sums in float32 or wider.
    Errors: ShapeError unless the shapes fit; TypeError unless all are floats.

    Gradient. With y_ik = sum_j x_ij W_jk + b_k over the flattened leading axes i,
    and g = dL/dy,
        dL/dx_ij = sum_k g_ik W_jk,     that is  dx = g W^T,
        dL/dW_jk = sum_i x_ij g_ik,     that is  dW = x^T g,
        dL/db_k  = sum_i g_ik.
    Saved: x and kernel, which both products need.
    Source: Rumelhart, Hinton & Williams (1986), Nature 323.
    """
    if bias is None:
        x, kernel = floats("affine", x=x, kernel=kernel)
    else:
        x, kernel, bias = floats("affine", x=x, kernel=kernel, bias=bias)
    check_product("affine", x, kernel)
    if bias is not None and bias.shape != kernel.shape[-1:]:
        raise ShapeError(
            f"affine: kernel {kernel.shape} needs bias {kernel.shape[-1:]}, "
            f"got {bias.shape}"
        )
    return _affine(x, kernel, bias)


def check_product(op: str, x: jax.Array, kernel: jax.Array) -> None:
    """Raises `ShapeError` unless x (..., n) and kernel (n, m) can be multiplied."""
    if kernel.ndim != 2:
        raise ShapeError(f"{op}: kernel must have shape (n, m), got {kernel.shape}")
    if x.ndim < 1 or x.shape[-1] != kernel.shape[0]:
        raise ShapeError(
            f"{op}: kernel {kernel.shape} needs x of shape (..., {kernel.shape[0]}), "
            f"got {x.shape}"
        )


def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """X @ kernel over the last axis of x, summed in float32 or wider."""
    return jnp.matmul(x, kernel, preferred_element_type=wide(x).dtype)


def product_cotangents(
    x: jax.Array, kernel: jax.Array, g: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """G W^T and x^T g, the latter summed over the flattened leading axes."""
    examples = math.prod(x.shape[:-1])
    rows = x.reshape(examples, x.shape[-1])
    return product(g, kernel.T), product(rows.T, g.reshape(examples, g.shape[-1]))


def _reference(x, kernel, bias):
    y = x @ kernel
    return y if bias is None else y + bias


def _forward(x, kernel, bias):
    y = product(x, kernel)
    if bias is not None:
        y, bias = y + wide(bias), bias[:0]  # of no bytes: says that there is one
    return y.astype(x.dtype), (x, kernel, bias)


def _backward(saved, g):
    x, kernel, bias = saved
    dx, dkernel = product_cotangents(x, kernel, g)
    return dx, dkernel, None if bias is None else wide(g).sum(leading_axes(g))


def _cases(normal):
    for leading, n, m in [((), 3, 2), ((4,), 3, 5), ((2, 3), 5, 1), ((1,), 1, 4)]:
        yield normal(*leading, n), normal(n, m), normal(m)
        yield normal(*leading, n), normal(n, m), None
    yield normal(0, 3), normal(3, 2), normal(2)


_affine = rule(_reference, _forward, _backward, cases=_cases)
