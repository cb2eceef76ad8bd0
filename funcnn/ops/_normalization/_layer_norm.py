"""Layer normalization over the last axis."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import apart, floats, leading_axes, wide
from funcnn.ops._normalization._statistics import (
    check_features,
    mean_and_variance,
    mean_products,
)
from funcnn.rules import rule


def layer_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, *, eps: float = 1e-5
) -> jax.Array:
    """Brings each row of `x` to mean 0 and variance 1, then scales and shifts it.

    Shapes: x (..., n), scale (n,), bias (n,) -> (..., n).
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  `eps` has those of x squared; the output has those of `bias`.
    Errors: ShapeError unless scale and bias are both (n,).

    Gradient. Let r = (var + eps)^(-1/2), h = (x - mean) r, g = dL/dy, <.> the
    mean over the last axis. As dr/dx_j = -r^2 h_j / n,
        dh_i/dx_j = r (delta_ij - 1/n - h_i h_j / n),     symmetric in i and j;
    contracting it with u = g scale gives
        dx = r (u - <u> - h <u h>),   dscale = sum g h,   dbias = sum g,
    where the sums run over the leading axes.
    Saved: x, scale and, per row, mean and r in float32 or wider; h is made again.
    Kinks: none for eps > 0; a row of equal values gives `bias`.
    Source: Ba, Kiros & Hinton (2016), arXiv:1607.06450; biased variance. Flax
    takes eps = 1e-6.
    """
    x, scale, bias = floats("layer_norm", x=x, scale=scale, bias=bias)
    check_features("layer_norm", x, scale=scale, bias=bias)
    return _layer_norm(x, scale, bias, float(eps))


def _reference(x, scale, bias, eps):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(var + eps) * scale + bias


def _forward(x, scale, bias, eps):
    mean, var = mean_and_variance(x, -1)
    r = apart(lax.rsqrt(var + eps))
    y = (wide(x) - mean) * r * wide(scale) + wide(bias)
    return y.astype(x.dtype), (x, scale, mean, r)


def _backward(eps, saved, g):
    x, scale, mean, r = saved
    h, g, scale = (wide(x) - mean) * r, wide(g), wide(scale)
    gh = g * h
    mean_u, mean_uh = mean_products(scale, g, gh)
    dx = r * (g * scale - mean_u - h * mean_uh)
    return dx, gh.sum(leading_axes(g)), g.sum(leading_axes(g))


def _cases(normal):
    for shape in [(5,), (4, 5), (2, 3, 5), (4, 1), (0, 3)]:
        yield normal(*shape), normal(shape[-1]), normal(shape[-1]), 1e-5
    yield normal(4, 5) + 3, normal(5), normal(5), 0.1
    yield jnp.full((2, 5), 3.0), normal(5), normal(5), 1e-5  # rows of variance 0


_layer_norm = rule(_reference, _forward, _backward, static="eps", cases=_cases)
