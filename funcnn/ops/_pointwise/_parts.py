"""The exponential functions that others are made of, exact to a unit or two."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnn.ops._pointwise._scaling import SHIFT, TAIL, exp


def e_of(x: jax.Array, low: jax.Array) -> tuple[jax.Array, jax.Array]:
    """exp(-|x|), 2^64 times that where `low`, and whether x < 0.

    At 0 both are those for x > 0, and so are their derivatives.
    """
    below = x < 0
    return exp(jnp.where(below, x, -x), low), below


def logistic(
    x: jax.Array, both: bool = False
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """s(x) = 1 / (1 + e) and e = exp(-x), shifted by 2^64 where it is low: far below 0.

    There s is 2^64 too large and e too small, so that e s = s(-x) is right; with
    `both` e is too large far above 0, where s is 1.
    """
    most = 130 if x.dtype == jnp.float32 else 750  # where both have long underflowed
    low, c = x < -TAIL, jnp.maximum(x, -most)
    shift = jnp.where(low, -SHIFT, 0)
    if both:
        high = x > TAIL
        low, shift = low | high, jnp.where(high, SHIFT, shift)
    e = jnp.exp(shift - c)
    return 1 / (1 + e), e, low


def exact_tanh(x: jax.Array) -> jax.Array:
    """The hyperbolic tangent, of which XLA's is five units off where it is nearly 1.

    There tanh(x) = 2t / (1 + t^2) with t = tanh(x / 2), and little depends on t.
    """
    far = jnp.abs(x) > 1
    t = lax.tanh(jnp.where(far, x / 2, x))
    return jnp.where(far, 2 * t / (1 + t * t), t)


def expm1(x: jax.Array) -> jax.Array:
    """exp(x) - 1, near 0 by its series; XLA's own is exact to five units only."""
    near = jnp.abs(x) < 0.5
    return jnp.where(near, expm1_near_0(jnp.where(near, x, 0)), jnp.exp(x) - 1)


def expm1_near_0(x: jax.Array) -> jax.Array:
    """exp(x) - 1 for |x| < 0.7."""
    total = jnp.zeros_like(x)
    for k in range(16 if x.dtype == jnp.float64 else 10, 0, -1):
        total = x * (1 / math.factorial(k) + total)
    return total


def log1m(e: jax.Array) -> jax.Array:
    """log(1 - e) for 0 <= e <= 1/2, in float32 by a polynomial."""
    return jnp.log1p(-e) if e.dtype != jnp.float32 else -e * _horner(_LOG1M, e)


def log1p(e: jax.Array) -> jax.Array:
    """log(1 + e) for 0 <= e <= 1, in float32 by a polynomial."""
    return jnp.log1p(e) if e.dtype != jnp.float32 else e * _horner(_LOG1P, e)


def log_of_cosh(x: jax.Array) -> jax.Array:
    """log(cosh(x)), 0 where x^2 is.

    In float32 there is no logarithm: near 0 it is x^2 times a polynomial in x^2, and
    elsewhere |x| - log 2 + log(1 + e), of which e = exp(-2|x|) is small.
    """
    size = jnp.where(x > 0, x, -x)
    near = size < (_NEAR if x.dtype == jnp.float32 else 1.5)
    s, e = jnp.square(jnp.where(near, x, 0)), jnp.exp(-2 * size)
    if x.dtype == jnp.float32:
        inner, tail = _horner(_LOG_COSH, s), jnp.zeros_like(x)
        for k in range(6, 0, -1):
            tail = e * (tail - (-1) ** k / k)
        return jnp.where(near, s * inner, size - math.log(2) + tail)
    series = jnp.ones_like(x)  # of 2 (cosh(x) - 1) / x^2
    for k in range(20, 0, -2):
        series = 1 + s * series / ((k + 1) * (k + 2))
    inner = jnp.where(near, s * series / 2, e)
    return jnp.where(near, 0, size - math.log(2)) + jnp.log1p(inner)


def _horner(coefficients, x):
    total = jnp.zeros_like(x)
    for coefficient in coefficients:
        total = float(coefficient) + x * total
    return total


def _fitted(f: Callable[[np.ndarray], np.ndarray], end: float, degree: int) -> Any:
    """Coefficients of f from 0 to `end`, the highest first; nearly the best there."""
    x = end * np.square(np.cos(np.pi * (np.arange(64) + 0.5) / 128))
    return np.polyfit(x, f(x), degree)


def _log_cosh_over_square(s):
    return np.log1p(np.square(np.sinh(np.sqrt(s)))) / 2 / s


_NEAR = 1.25
_LOG_COSH = _fitted(_log_cosh_over_square, _NEAR**2, 9)
_LOG1P = _fitted(lambda e: np.log1p(e) / e, 1.0, 10)
_LOG1M = _fitted(lambda e: -np.log1p(-e) / e, 0.5, 10)
