"""Mean and variance of each channel."""

import math

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats, leading_axes, wide
from funcnn.ops._normalization._statistics import check_channels, mean_and_variance
from funcnn.rules import rule


def moments(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The mean and the biased variance of each channel, over all other axes.

    Shapes: x (..., c) -> mean (c,), var (c,).
    Dtypes: any float; computed, and returned, in float32 or wider.
    Units:  mean those of x, var those of x squared.
    Errors: ShapeError unless there is an axis to average over.

    Gradient. mean = sum_i x_i / N, var = sum_i (x_i - mean)^2 / N. The sum of
    x_i - mean is 0, so dvar/dx_j = 2 (x_j - mean) / N, and
        dx = (g_mean + 2 g_var (x - mean)) / N.
    Saved: x; the mean is made again.
    Kinks: none. An empty batch has no statistics: NaN. A constant channel has
    variance 0.
    """
    (x,) = floats("moments", x=x)
    check_channels("moments", x)
    return _moments(x)


def _reference(x):
    mean = wide(x).mean(leading_axes(x))
    return mean, ((wide(x) - mean) ** 2).mean(leading_axes(x))


def _forward(x):
    mean, var = mean_and_variance(x, leading_axes(x))
    return (mean.reshape(-1), var.reshape(-1)), x


def _backward(x, cotangents):
    g_mean, g_var = cotangents
    mean, _ = mean_and_variance(x, leading_axes(x))
    count = float(math.prod(x.shape[:-1]))  # an int could be too large for int32
    return ((g_mean + 2 * g_var * (wide(x) - mean)) / count,)


def _cases(normal):
    for shape in [(4, 3), (2, 3, 2), (2, 3, 2, 3), (1, 3), (5, 1)]:
        yield (normal(*shape),)
    yield (jnp.full((3, 2), 3.0),)  # variance 0


_moments = rule(_reference, _forward, _backward, cases=_cases)
