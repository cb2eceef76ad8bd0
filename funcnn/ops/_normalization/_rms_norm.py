"""Root-mean-square normalization over the last axis, alone and after a sum."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import apart, floats, leading_axes, same_shape, wide
from funcnn.ops._normalization._statistics import check_features, mean_products
from funcnn.rules import rule


def rms_norm(x: jax.Array, scale: jax.Array, *, eps: float = 1e-6) -> jax.Array:
    """Divides each row of `x` by its root mean square, then scales it.

    Shapes: x (..., n), scale (n,) -> (..., n).
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  `eps` has those of x squared; the output has those of `scale`.
    Errors: ShapeError unless scale is (n,).

    Gradient. Let r = (<x^2> + eps)^(-1/2), h = x r, g = dL/dy, <.> the mean over the
    last axis. As dr/dx_j = -r^2 h_j / n,
        dh_i/dx_j = r (delta_ij - h_i h_j / n),     symmetric in i and j;
    contracting it with u = g scale gives
        dx = r (u - h <u h>),   dscale = sum g h,
    where the sum runs over the leading axes.
    Saved: x, scale and, per row, r in float32 or wider; h is made again.
    Kinks: none for eps > 0; a row of zeros gives zeros.
    Source: Zhang & Sennrich (2019), arXiv:1910.07467. As in Flax, eps stands under
    the root and is 1e-6; PyTorch takes the distance from 1 to the next number.
    """
    x, scale = floats("rms_norm", x=x, scale=scale)
    check_features("rms_norm", x, scale=scale)
    return _rms_norm(x, scale, float(eps))


def add_rms_norm(
    x: jax.Array, residual: jax.Array, scale: jax.Array, *, eps: float = 1e-6
) -> tuple[jax.Array, jax.Array]:
    """`rms_norm` of x + residual, and that sum: what a block before a norm ends with.

    Shapes: x (..., n), residual (..., n), scale (n,) -> y (..., n), sum (..., n).
    Dtypes: the arguments' common float dtype; y is that of the sum as it is
            returned, so after its rounding, computed in float32 or wider.
    Units:  `eps` has those of x squared; y has those of `scale`.
    Errors: ShapeError unless x and residual have one shape and scale is (n,).

    Gradient. With s = x + residual, y = rms_norm(s, scale) and their cotangents g_y
    and g_s, ds/dx = ds/dresidual = 1, so that
        dx = dresidual = g_s + r (u - h <u h>),   dscale = sum g_y h,
    with r, h and u of s as in `rms_norm`, whose rule this uses.
    Saved: the sum, scale and, per row, r: neither x nor residual.
    Source: as for `rms_norm`; LLM kernels have the two as one ("fused add norm").
    """
    x, residual, scale = floats("add_rms_norm", x=x, residual=residual, scale=scale)
    same_shape("add_rms_norm", x=x, residual=residual)
    check_features("add_rms_norm", x, scale=scale)
    # The sum is no output of the rule: it does not depend on scale, and under vmap
    # over that JAX would count its cotangent once per example.
    total = x + residual
    return _rms_norm(total, scale, float(eps)), total


def _reference(x, scale, eps):
    square = (wide(x) ** 2).mean(-1, keepdims=True)
    return (wide(x) / jnp.sqrt(square + eps) * scale).astype(x.dtype)


def _forward(x, scale, eps):
    r = apart(lax.rsqrt(jnp.square(wide(x)).mean(-1, keepdims=True) + eps))
    return (wide(x) * r * wide(scale)).astype(x.dtype), (x, scale, r)


def _backward(eps, saved, g):
    x, scale, r = saved
    h, g, scale = wide(x) * r, wide(g), wide(scale)
    gh = g * h
    (mean_uh,) = mean_products(scale, gh)
    dx = r * (g * scale - h * mean_uh)
    return dx, gh.sum(leading_axes(g))


def _cases(normal):
    for shape in [(5,), (4, 5), (2, 3, 5), (0, 3)]:
        yield normal(*shape), normal(shape[-1]), 1e-6
    yield normal(4, 1), normal(1), 0.1
    yield jnp.array([[0.0, 0.0], [3.0, 3.0]]), normal(2), 0.01  # a row of zeros


_rms_norm = rule(_reference, _forward, _backward, static="eps", cases=_cases)
