"""Batch normalization with stored statistics: an affine map of each channel."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import varying_alike
from funcnn.ops._arguments import floats, leading_axes, wide
from funcnn.ops._normalization._statistics import check_channels
from funcnn.rules import rule


def batch_norm_inference(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    mean: jax.Array,
    var: jax.Array,
    *,
    eps: float = 1e-5,
) -> jax.Array:
    """(x - mean) / sqrt(var + eps) * scale + bias with the statistics given.

    Shapes: x (..., c), all others (c,) -> (..., c).
    Dtypes: y has the common float dtype of x, scale and bias; the statistics may
            be wider; computed in float32 or wider.
    Units:  `eps` and `var` have those of x squared; y has those of `bias`.
    Errors: ShapeError unless all but x are (c,).

    Gradient. With r = (var + eps)^(-1/2), h = (x - mean) r and g = dL/dy, all per
    channel, as dr/dvar = -r^3 / 2,
        dx = g scale r,   dscale = sum g h,   dbias = sum g,
        dmean = -scale r sum g,   dvar = -scale r^2 / 2 sum g h.
    Saved: all arguments but bias; r is made again.
    Kinks: none for eps > 0 and var >= 0.
    Source: Ioffe & Szegedy (2015), arXiv:1502.03167, algorithm 2.
    """
    x, scale, bias = floats("batch_norm_inference", x=x, scale=scale, bias=bias)
    mean, var = floats("batch_norm_inference", mean=mean, var=var)
    check_channels(
        "batch_norm_inference", x, scale=scale, bias=bias, mean=mean, var=var
    )
    return _batch_norm_inference(x, scale, bias, mean, var, float(eps))


def _plain(x, scale, bias, mean, var, eps):
    return (wide(x) - wide(mean)) / jnp.sqrt(wide(var) + eps) * scale + bias


def _reference(x, scale, bias, mean, var, eps):
    return _plain(x, scale, bias, mean, var, eps).astype(x.dtype)


def _forward(x, scale, bias, mean, var, eps):
    def by_channel(x, scale, bias, mean, var):
        r = lax.rsqrt(wide(var) + eps)
        return (wide(x) - wide(mean)) * (r * wide(scale)) + wide(bias)

    y = lax.platform_dependent(
        *(x, scale, bias, mean, var),
        cpu=by_channel,
        default=functools.partial(_plain, eps=eps),
    )
    return y.astype(x.dtype), (x, scale, mean, var)


def _backward(eps, saved, g):
    return lax.platform_dependent(
        *varying_alike(*saved, wide(g)),
        cpu=functools.partial(_by_channel, eps),
        default=functools.partial(_derived, eps),
    )


def _derived(eps, x, scale, mean, var, g):
    """By XLA's derivative, which its compilers make in one reading with the value."""
    x, scale, mean, var = map(wide, (x, scale, mean, var))
    bias = jnp.zeros_like(scale)
    plain = functools.partial(_plain, eps=eps)
    return jax.vjp(plain, x, scale, bias, mean, var)[1](g)


def _by_channel(eps, x, scale, mean, var, g):
    square = wide(var) + eps
    r = lax.rsqrt(square)
    slope = wide(scale) * r
    dbias = g.sum(leading_axes(g))
    dscale = (g * (wide(x) - wide(mean))).sum(leading_axes(g)) * r
    dvar = -wide(scale) * dscale / (2 * square)
    return g * slope, dscale, dbias, -slope * dbias, dvar


def _cases(normal):
    for shape in [(4, 3), (2, 3, 2), (2, 3, 2, 3), (1, 3), (5, 1), (0, 3)]:
        c = shape[-1:]
        yield normal(*shape), normal(*c), normal(*c), normal(*c), normal(*c) ** 2, 1e-5
    yield normal(4, 2), normal(2), normal(2), normal(2), jnp.zeros(2), 0.1


_batch_norm_inference = rule(
    _reference, _forward, _backward, static="eps", cases=_cases
)
