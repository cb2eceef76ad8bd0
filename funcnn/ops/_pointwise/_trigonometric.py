r"""Sines, of one number: dx = g f'(x), elementwise.

Shapes, dtypes and errors: as in `_pointwise`.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats
from funcnn.ops._pointwise._elementwise import smooth
from funcnn.ops._pointwise._scaling import UP, Scaled, as_scaled


def sin(x: jax.Array) -> jax.Array:
    """The sine of x in radians.

    Gradient: f'(x) = cos(x).
    Saved:    x.
    Source:   Sitzmann et al. (2020), arXiv:2006.09661, as an activation.
    """
    return _sin(*floats("sin", x=x))


def sinc(x: jax.Array) -> jax.Array:
    """sin(pi x) / (pi x), and 1 at 0: the convention of `jnp.sinc`.

    It is 0 at every other integer, exactly: sin(pi x) is (-1)^n sin(pi (x - n)), with
    n the integer next to x.

    Gradient: f'(x) = (cos(pi x) - f(x)) / x, and near 0, where this is a difference
              of like numbers, its Taylor series: with t = pi x,
              f'(x) = pi (-2 t / 3! + 4 t^3 / 5! - 6 t^5 / 7! + ...).
    Saved:    x.
    """
    return _sinc(*floats("sinc", x=x))


# References: the plain definitions.


def _sin_reference(x):
    return jnp.sin(x)


def _sinc_reference(x):
    t, n = math.pi * x, jnp.round(x)
    s, small = t * t, t * t < 1e-3
    series = 1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72)))
    sine = (1 - 2 * (n % 2)) * jnp.sin(math.pi * (x - n))
    return jnp.where(small, series, sine / jnp.where(small, 1, t))


# Values and slopes.


def _sinc_parts(x):
    """sin(pi x) and cos(pi x); at infinity as at a large number, which is even."""
    largest = float(jnp.finfo(x.dtype).max)
    x = jnp.clip(x, -largest, largest)
    n = lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)
    rest, sign = x - n, 1 - 2 * (n % 2)
    cosine = jnp.sin(math.pi * (0.5 - jnp.abs(rest)))
    return sign * jnp.sin(math.pi * rest), sign * cosine


def _sinc_value(x):
    sine, _ = _sinc_parts(x)
    t = math.pi * x
    return jnp.where(t == 0, 1, sine / jnp.where(t == 0, 1, t))


def _sinc_slope(x):
    t, near = math.pi * x, as_scaled(x)
    square = jnp.minimum(t * t, 2.25)
    series = 0.0
    for k in range(11, 0, -1):
        series = (-1) ** k * 2 * k / math.factorial(2 * k + 1) + square * series
    small, far = jnp.abs(t) < 1.5, jnp.abs(x) > 2.0**100
    _, cosine = _sinc_parts(x)
    direct = jnp.where(far, UP, 1) * (cosine - _sinc_value(x)) / jnp.where(small, 1, x)
    number = jnp.where(small, math.pi**2 * series * near.number, direct)
    return Scaled(number, near.low | far)


_sin = smooth(_sin_reference, jnp.sin, jnp.cos, tangent=1)
_sinc = smooth(
    _sinc_reference,
    _sinc_value,
    _sinc_slope,
    special=((0.0, -0.0, 0.25, -0.4, 0.5, 1.0, -2.5, 20.0, -700.0),),
)
