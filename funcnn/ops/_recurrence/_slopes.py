"""Slopes of the gates, which keep their digits where a gate saturates.

Written in the value, s (1 - s) and 1 - tanh^2, they would lose all of them there.
"""

import jax
import jax.numpy as jnp
from jax import lax


def logistic_slope(a: jax.Array) -> jax.Array:
    """That of the logistic function s: s(a) s(-a), which are m = s(-|a|) and 1 - m."""
    m = lax.logistic(-jnp.abs(a))
    return m * (1 - m)


def tanh_slope(a: jax.Array) -> jax.Array:
    """1 / cosh(a)^2 = 4 s(2a) s(-2a)."""
    return 4 * logistic_slope(2 * a)
