"""Batch normalization with the statistics of the batch, for training."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats, leading_axes, wide
from funcnn.ops._normalization._moments import moments
from funcnn.ops._normalization._statistics import check_channels, mean_and_variance
from funcnn.rules import rule


def batch_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, *, eps: float = 1e-5
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Brings each channel to mean 0 and variance 1 over the batch, scales and shifts.

    Shapes: x (..., c), scale (c,), bias (c,) -> y (..., c), mean (c,), var (c,):
            the statistics run over all axes but the last.
    Dtypes: the arguments' common float dtype; the statistics are computed, and
            returned, in float32 or wider.
    Units:  `eps` has those of x squared; y has those of `bias`.
    Errors: ShapeError unless scale and bias are both (c,) and there is an axis to
            average over.

    Gradient. Per channel, over the N examples, let r = (var + eps)^(-1/2),
    h = (x - mean) r, <.> the mean over the batch and g = dL/dy. As dr/dx_j =
    -r^2 h_j / N, dh_i/dx_j = r (delta_ij - 1/N - h_i h_j / N), so
        dx = scale r (g - <g> - h <g h>),   dscale = sum g h,   dbias = sum g.
    The statistics that are returned have the gradient of `moments`.
    Saved: x, scale and, per channel, mean and r; h is made again.
    Kinks: none for eps > 0; a constant channel gives `bias`. An empty batch has no
    statistics: NaN.
    Source: Ioffe & Szegedy (2015), arXiv:1502.03167. The variance is the biased
    one, as in Flax; PyTorch stores the unbiased one.
    """
    x, scale, bias = floats("batch_norm", x=x, scale=scale, bias=bias)
    check_channels("batch_norm", x, scale=scale, bias=bias)
    # Apart from y, for they do not depend on scale and bias: under vmap over those,
    # JAX counts the cotangent of an output that all share once per example. A
    # compiler computes them once, and they keep nothing but x.
    return _batch_norm(x, scale, bias, float(eps)), *moments(x)


def _reference(x, scale, bias, eps):
    x32 = wide(x)
    mean = x32.mean(leading_axes(x))
    var = ((x32 - mean) ** 2).mean(leading_axes(x))
    return ((x32 - mean) / jnp.sqrt(var + eps) * scale + bias).astype(x.dtype)


def _forward(x, scale, bias, eps):
    mean, var = mean_and_variance(x, leading_axes(x))
    r = lax.rsqrt(var + eps)
    y = (wide(x) - mean) * (r * wide(scale)) + wide(bias)
    return y.astype(x.dtype), (x, scale, mean, r)


def _backward(eps, saved, g):
    x, scale, mean, r = saved
    g, h = wide(g), (wide(x) - mean) * r
    axes, count = leading_axes(x), float(math.prod(x.shape[:-1]))
    dscale, dbias = (g * h).sum(axes), g.sum(axes)
    dx = wide(scale) * r * (g - dbias / count - h * (dscale / count))
    return dx, dscale, dbias


def _cases(normal):
    for shape in [(4, 3), (2, 3, 2), (2, 3, 2, 3), (1, 3), (5, 1)]:
        yield normal(*shape), normal(shape[-1]), normal(shape[-1]), 1e-5
    yield 2 * normal(6, 3) + 1, normal(3), normal(3), 0.1
    yield jnp.full((3, 2), 3.0), normal(2), normal(2), 1e-5  # variance 0


_batch_norm = rule(_reference, _forward, _backward, static="eps", cases=_cases)
