"""The affine map x W + b: the product that nets are made of."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import check_bias, floats_or_none, leading_axes, wide
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
    given = {"x": x, "kernel": kernel, "bias": bias}
    x, kernel, bias = floats_or_none("affine", ["bias"], **given)
    check_product("affine", x, kernel)
    check_bias("affine", bias, kernel.shape[1:], f"kernel {kernel.shape}")
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
    return product(g, kernel.T), kernel_cotangent(x, g)


def kernel_cotangent(x: jax.Array, g: jax.Array) -> jax.Array:
    """X^T g, one product over all examples, in the kernel's shape (n, m)."""
    examples = math.prod(x.shape[:-1])
    x, g = (a.reshape(examples, a.shape[-1]) for a in (x, g))
    if examples >= x.shape[1] >= 2 * g.shape[1]:
        return lax.platform_dependent(x, g, cpu=_narrow_first, default=_wide_first)
    return _wide_first(x, g)


def _narrow_first(x, g):
    """X^T g as (g^T x)^T, which is faster on CPU; XLA would turn it back."""
    return lax.optimization_barrier(product(g.T, x)).T


def _wide_first(x, g):
    return product(x.T, g)


def presence(bias: jax.Array | None) -> jax.Array | None:
    """What tells a backward pass whether there was a bias: None, or no bytes of it."""
    return None if bias is None else bias[:0]


def bias_cotangent(bias: jax.Array | None, g: jax.Array) -> jax.Array | None:
    """That of what was added at all leading axes of g; None where `bias` is None."""
    return None if bias is None else wide(g).sum(leading_axes(g))


def _reference(x, kernel, bias):
    y = x @ kernel
    return y if bias is None else y + bias


def _forward(x, kernel, bias):
    y = product(x, kernel)
    y = y if bias is None else y + wide(bias)
    return y.astype(x.dtype), (x, kernel, presence(bias))


def _backward(saved, g):
    x, kernel, bias = saved
    return *product_cotangents(x, kernel, g), bias_cotangent(bias, g)


def _cases(normal):
    for leading, n, m in [((), 3, 2), ((4,), 3, 5), ((2, 3), 5, 1), ((1,), 1, 4)]:
        yield normal(*leading, n), normal(n, m), normal(m)
        yield normal(*leading, n), normal(n, m), None
    yield normal(0, 3), normal(3, 2), normal(2)


_affine = rule(_reference, _forward, _backward, cases=_cases)
