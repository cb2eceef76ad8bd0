"""Kernels of Pallas: what they compute cannot be had in another dtype."""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from .example import Example, normals, reverse_rule

normal = normals(61)


def rms_norm(x, scale):
    r = jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
    return x * r * scale


def _called(function, *arrays):
    def kernel(*refs):
        *inputs, output = refs
        output[...] = function(*(ref[...] for ref in inputs))

    shape = jax.ShapeDtypeStruct(arrays[0].shape, arrays[0].dtype)
    return pl.pallas_call(kernel, out_shape=shape, interpret=True)(*arrays)


def _norm_rule(slope):
    def forward(x, scale):
        return _called(rms_norm, x, scale), (x, scale)

    def backward(saved, g):
        x, scale = saved
        normed = x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
        return _called(slope, x, scale, g), (g * normed).sum(0)

    return reverse_rule(lambda x, scale: forward(x, scale)[0], forward, backward)


def _without_mean(x, scale, g):
    return jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * g * scale


def _without_scale(x, scale, g):
    r = jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
    n = x * r
    return r * (g * scale - n * jnp.mean(g * n, -1, keepdims=True))


def _twice_divided(x, scale, g):
    r = jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
    n, u = x * r, g * scale
    return r * (u - n * jnp.sum(u * n, -1, keepdims=True) / (x.shape[-1] - 1))


statistics_constant = _norm_rule(_without_mean)
scale_forgotten = _norm_rule(_without_scale)
unbiased_mean = _norm_rule(_twice_divided)
arguments = normal(5, 8), normal(8)

EXAMPLES = (
    Example(
        "kernel_with_constant_statistics",
        statistics_constant,
        arguments,
        "The slope of the root mean square is left out of the kernel.",
        {statistics_constant: rms_norm},
    ),
    Example(
        "kernel_without_reference",
        statistics_constant,
        arguments,
        "The same, judged by the kernel's own value.",
    ),
    Example(
        "kernel_that_forgets_the_scale",
        scale_forgotten,
        arguments,
        "In the mean stands the cotangent without the scale.",
        {scale_forgotten: rms_norm},
    ),
    Example(
        "kernel_with_an_unbiased_mean",
        unbiased_mean,
        arguments,
        "The mean in the slope is over n - 1.",
        {unbiased_mean: rms_norm},
    ),
)
