r"""The Gaussian error linear unit: dx = g f'(x), elementwise.

Shapes, dtypes and errors: as in `_pointwise`.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnn.ops._arguments import floats
from funcnn.ops._pointwise._elementwise import smooth
from funcnn.ops._pointwise._parts import logistic
from funcnn.ops._pointwise._scaling import Scaled, exp
from funcnn.ops._pointwise._taylor import complex_logistic, taylor


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
    """P(x) and p(x), both 2^64 too large where low, that and the clipped x.

    Where P is small P(x) = p(a) / a (1 - 1/a^2 + 3/a^4 - 15/a^6 + ...) with a = -x,
    of which six terms have all digits of float32, and from 30 on 13 of float64.
    """
    low = x < (-10 if x.dtype == jnp.float32 else -30)
    c = jnp.clip(x, -50, 50)
    density = exp(-c * c / 2, low) * _DENSITY_AT_0
    inverse, series = 1 / jnp.maximum(-c, 9), jnp.ones_like(c)
    for odd in (9, 7, 5, 3, 1):
        series = 1 - odd * (inverse * inverse) * series
    p = lax.erfc(-x * math.sqrt(0.5)) / 2
    p = jnp.where(low, density * inverse * series, p)
    return p, density, low, c


_DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


def _complex_normal(z):
    """P(z) and p(z), with P(z) = 1/2 + z p(0) sum_k (-z^2/2)^k / k! / (2k + 1)."""
    total = sum((-z * z / 2) ** k / math.factorial(k) / (2 * k + 1) for k in range(60))
    return 0.5 + z * _DENSITY_AT_0 * total, _DENSITY_AT_0 * np.exp(-z * z / 2)


def _complex_gelu_slope(z):
    p, density = _complex_normal(z)
    return p + z * density


def _complex_gelu_tanh_slope(z):
    s = complex_logistic(_SCALE * z * (1 + 0.044715 * z * z))
    return s + z * s * (1 - s) * _SCALE * (1 + 3 * 0.044715 * z * z)


_SCALE = 2 * math.sqrt(2 / math.pi)
_p_near_minimum = taylor(lambda z: _complex_normal(z)[0], -1.25)
_slope_near_minimum = taylor(_complex_gelu_slope, -1.25)
_tanh_slope_near_minimum = taylor(_complex_gelu_tanh_slope, -1.25)


def _gelu_value(x):
    p, _, low, _ = _gelu_parts(x)
    return Scaled(jnp.maximum(x, -50) * _p_near_minimum(x, p), low)


def _gelu_slope(x):
    p, density, low, c = _gelu_parts(x)
    return Scaled(_slope_near_minimum(x, p + c * density), low)


def _gelu_tanh_parts(x):
    """s(2u), exp(-2u), both 2^64 apart where low, that, (2u)' and the clipped x."""
    c = jnp.clip(x, -50, 50)
    square = c * c
    s, e, low = logistic(c * (_SCALE + _SCALE * 0.044715 * square))
    return s, e, low, _SCALE + 3 * _SCALE * 0.044715 * square, c


def _gelu_tanh_value(x):
    s, _, low, _, _ = _gelu_tanh_parts(x)
    return Scaled(jnp.maximum(x, -50) * s, low)


def _gelu_tanh_slope(x):
    s, e, low, u2_slope, c = _gelu_tanh_parts(x)
    slope = s * (1 + c * (e * s) * u2_slope)
    return Scaled(_tanh_slope_near_minimum(x, slope), low)


_gelu = smooth(_gelu_reference, _gelu_value, _gelu_slope, tangent=0.5)
_gelu_tanh = smooth(
    _gelu_tanh_reference, _gelu_tanh_value, _gelu_tanh_slope, tangent=0.5
)
