"""The exponential functions that others are made of, exact to a unit or two."""

import math

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
    h, total = jnp.where(near, x, 0), jnp.zeros_like(x)
    for k in range(14 if x.dtype == jnp.float64 else 9, 0, -1):
        total = h * (1 / math.factorial(k) + total)
    return jnp.where(near, total, jnp.exp(x) - 1)


def log1p(e: jax.Array) -> jax.Array:
    """log(1 + e) for 0 <= e <= 1, in float32 by a polynomial."""
    if e.dtype != jnp.float32:
        return jnp.log1p(e)
    total = jnp.zeros_like(e)
    for coefficient in _LOG1P:
        total = float(coefficient) + e * total
    return e * total


def log_of_cosh(x: jax.Array) -> jax.Array:
    """log(cosh(x)), 0 where x^2 is.

    In float32 there is no logarithm: near 0 it is x^2 times a polynomial in x^2, and
    elsewhere |x| - log 2 + log(1 + e), of which e = exp(-2|x|) is small.
    """
    size = jnp.where(x > 0, x, -x)
    near = size < (_NEAR if x.dtype == jnp.float32 else 1.5)
    s, e = jnp.square(jnp.where(near, x, 0)), jnp.exp(-2 * size)
    if x.dtype == jnp.float32:
        inner, tail = jnp.zeros_like(x), jnp.zeros_like(x)
        for coefficient in _LOG_COSH:
            inner = float(coefficient) + s * inner
        for k in range(6, 0, -1):
            tail = e * (tail - (-1) ** k / k)
        return jnp.where(near, s * inner, size - math.log(2) + tail)
    series = jnp.ones_like(x)  # of 2 (cosh(x) - 1) / x^2
    for k in range(20, 0, -2):
        series = 1 + s * series / ((k + 1) * (k + 2))
    inner = jnp.where(near, s * series / 2, e)
    return jnp.where(near, 0, size - math.log(2)) + jnp.log1p(inner)


def _fitted_log_cosh(near: float) -> np.ndarray:
    """Coefficients of log(cosh(x)) / x^2 in x^2 up to `near`, the highest first."""
    s = np.square(near * np.cos(np.pi * (np.arange(64) + 0.5) / 128))
    return np.polyfit(s, np.log1p(np.square(np.sinh(np.sqrt(s)))) / 2 / s, 9)


def _fitted_log1p() -> np.ndarray:
    """Coefficients of log(1 + e) / e up to 1, the highest first."""
    e = np.square(np.cos(np.pi * (np.arange(64) + 0.5) / 128))
    return np.polyfit(e, np.log1p(e) / e, 10)


_LOG1P = _fitted_log1p()
_NEAR = 1.25
_LOG_COSH = _fitted_log_cosh(_NEAR)
