r"""The Gaussian error linear unit: dx = g f'(x), elementwise.

Shapes, dtypes and errors: as in `_pointwise`.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats
from funcnn.ops._pointwise._elementwise import smooth
from funcnn.ops._pointwise._scaling import Scaled, exp, logistic


def gelu(x: jax.Array, approximate: bool = True) -> jax.Array:
    """Gaussian error linear unit, x P(x), P the normal distribution function.

    With `approximate`, as `jax.nn.gelu` has it by default, P(x) is taken as
    s(2u), u = sqrt(2/pi) (x + 0.044715 x^3), s the logistic function; this is
    (1 + tanh u) / 2. Without, P(x) = erfc(-x / sqrt 2) / 2.

    Gradient: exact:  f'(x) = P(x) + x p(x), p(x) = exp(-x^2/2) / sqrt(2 pi);
              approximate: f'(x) = s(2u) + 2 x s(2u) s(-2u) u',
              u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2).
    Saved:    x.
    Source:   Hendrycks & Gimpel (2016), arXiv:1606.08415.
    """
    (x,) = floats("gelu", x=x)
    return _gelu_tanh(x) if approximate else _gelu(x)


# References: the plain definitions.


def _gelu_reference(x):
    return x * lax.erfc(-x * math.sqrt(0.5)) / 2


def _gelu_tanh_reference(x):
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x * (1 + jnp.tanh(u)) / 2


# Values and slopes. x is clipped where the other factor has long underflowed.


def _gelu_parts(x):
    """P(x), p(x) and the clipped x; where low, both are 2^64 too large.

    There P(x) = p(a) / a (1 - 1/a^2 + 3/a^4 - 15/a^6 + ...) with a = -x, of which
    seven terms have all digits: from where P is small in float32 and in float64.
    """
    low = x < (-10 if x.dtype == jnp.float32 else -30)
    c = jnp.clip(x, -50, 50)
    density = exp(-c * c / 2, low) * (1 / math.sqrt(2 * math.pi))
    far = jnp.minimum(c, -9)
    t, series = 1 / (far * far), jnp.ones_like(c)
    for odd in (11, 9, 7, 5, 3, 1):
        series = 1 - odd * t * series
    tail = -density / far * series
    p = jnp.where(low, tail, lax.erfc(-x * math.sqrt(0.5)) / 2)
    return p, density, c, low


def _gelu_value(x):
    p, _, _, low = _gelu_parts(x)
    return Scaled(jnp.maximum(x, -50) * p, low)


def _gelu_slope(x):
    p, density, c, low = _gelu_parts(x)
    return Scaled(p + c * density, low)


def _gelu_tanh_parts(x):
    """s(2u) with its tail, s(-2u), (2u)' and the clipped x that they are taken at."""
    c = jnp.clip(x, -50, 50)
    scale = 2 * math.sqrt(2 / math.pi)
    s, rest = logistic(scale * c * (1 + 0.044715 * c * c))
    return s, rest, scale * (1 + 3 * 0.044715 * c * c), c


def _gelu_tanh_value(x):
    s, _, _, _ = _gelu_tanh_parts(x)
    return s.times(jnp.maximum(x, -50))


def _gelu_tanh_slope(x):
    s, rest, u2_slope, c = _gelu_tanh_parts(x)
    return s.times(1 + c * rest * u2_slope)


_gelu = smooth(_gelu_reference, _gelu_value, _gelu_slope, tangent=0.5)
_gelu_tanh = smooth(
    _gelu_tanh_reference, _gelu_tanh_value, _gelu_tanh_slope, tangent=0.5
)
