"""Kernels of Pallas: what they compute cannot be had in another dtype."""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from .example import Example, normal

_EPS = 1e-6


def _rms(x):
    return jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + _EPS)


def rms_norm(x, scale):
    return x * _rms(x) * scale


def _forward_kernel(x, scale, y):
    y[...] = rms_norm(x[...], scale[...])


def _backward_kernel(x, scale, g, dx, normed):
    n, u = x[...] * _rms(x[...]), g[...] * scale[...]
    normed[...] = n
    dx[...] = _rms(x[...]) * (u - n * jnp.mean(u * n, -1, keepdims=True))


def called(kernel, number, *arrays):
    shape = jax.ShapeDtypeStruct(arrays[0].shape, arrays[0].dtype)
    return pl.pallas_call(kernel, out_shape=(shape,) * number, interpret=True)(*arrays)


def _forward(x, scale):
    return called(_forward_kernel, 1, x, scale)[0]


def _backward(saved, g):
    dx, normed = called(_backward_kernel, 2, *saved, g)
    return dx, (g * normed).sum(0)


fused_rms_norm = jax.custom_vjp(_forward)
fused_rms_norm.defvjp(lambda x, s: (_forward(x, s), (x, s)), _backward)
_REFERENCE = {fused_rms_norm: rms_norm}
_CANCELS = (
    "with one feature the terms of its slope cancel, and what is left is rounding"
)

EXAMPLES = (
    Example(
        "fused kernel",
        fused_rms_norm,
        (normal(1, 5, 8), normal(2, 8)),
        "autodiff knows no way back through the kernel",
    ),
    Example(
        "fused kernel with its reference",
        fused_rms_norm,
        (normal(1, 5, 8), normal(2, 8)),
        _CANCELS,
        _REFERENCE,
    ),
    Example(
        "fused kernel with one feature",
        fused_rms_norm,
        (normal(0, 5, 1), normal(2, 1)),
        _CANCELS,
    ),
    Example(
        "fused kernel with one feature and its reference",
        fused_rms_norm,
        (normal(1, 5, 1), normal(2, 1)),
        _CANCELS,
        _REFERENCE,
    ),
)
