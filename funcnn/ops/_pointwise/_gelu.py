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

    Gradient: exact:  f'(x) = P(x) + x p(x), p(x) = exp(-x^2/2) / sqrt(2 pi), which
              for x > 0 is 1 - f'(-x);
              approximate: f'(x) = s(2u) + 2 x s(2u) s(-2u) u',
              u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2).
    Saved:    x.
    Source:   Hendrycks & Gimpel (2016), arXiv:1606.08415.
    """
    (x,) = floats("gelu", x=x)
    return _gelu_tanh(x) if approximate else _gelu(x)


# References: the plain definitions.


def _gelu_reference(x):
    # the root is computed, for its rounding would count x^2 times in the tail
    return x * lax.erfc(-x * jnp.sqrt(jnp.asarray(0.5, x.dtype))) / 2


def _gelu_tanh_reference(x):
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x * (1 + jnp.tanh(u)) / 2


# Values and slopes. x is clipped where the other factor has long underflowed.


def _gelu_parts(x):
    """P(-|x|) / e with e = exp(-x^2/2), e, 2^64 e where low, that, |x| and x < 0."""
    low, below = x < (-10 if x.dtype == jnp.float32 else -30), x < 0
    size = jnp.minimum(jnp.where(below, -x, x), 50)
    return _tail_ratio(size), exp(-size * size / 2, low), low, size, below


def _tail_ratio(a):
    """P(-a) exp(a^2/2) for a >= 0, which is near p(0) / a for large a.

    In float32 a polynomial of (a - 1/2) / (a + 3), over a + 3.
    """
    if a.dtype == jnp.float32:
        inverse, total = 1 / (a + _FAR), jnp.zeros_like(a)
        h = (a - _CENTER) * inverse
        for coefficient in _TAIL_COEFFICIENTS[::-1]:
            total = float(coefficient) + h * total
        return total * inverse
    far = a > 30  # 1 / a (1 - 1/a^2 + 3/a^4 - 15/a^6 + ...), of which six terms do
    inverse, series = 1 / jnp.maximum(a, 30), jnp.full_like(a, _DENSITY_AT_0)
    for odd in (9, 7, 5, 3, 1):
        series = _DENSITY_AT_0 - odd * (inverse * inverse) * series
    a = jnp.where(far, 0, a)
    near = lax.erfc(a * math.sqrt(0.5)) / (2 * jnp.exp(-a * a / 2))
    return jnp.where(far, inverse * series, near)


def _exact_tail_ratio(a):
    if a < 10:
        return math.exp(a * a / 2) * math.erfc(a * math.sqrt(0.5)) / 2
    total = a
    for k in range(40, 0, -1):
        total = a + k / total  # the continued fraction of Laplace
    return _DENSITY_AT_0 / total


def _tail_coefficients():
    """Of the polynomial that meets (a + 3) P(-a) exp(a^2/2) at Chebyshev's points."""
    points = np.cos(np.pi * (np.arange(12) + 0.5) / 12)
    a = _FAR * (1 + points) / (1 - points)
    h = (a - _CENTER) / (a + _FAR)
    values = [(each + _FAR) * _exact_tail_ratio(float(each)) for each in a]
    return np.linalg.solve(np.vander(h, increasing=True), values)


_DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


_FAR, _CENTER = 3.0, 0.5
_TAIL_COEFFICIENTS = _tail_coefficients()


def _complex_gelu_tanh_slope(z):
    s = complex_logistic(_SCALE * z * (1 + 0.044715 * z * z))
    return s + z * s * (1 - s) * _SCALE * (1 + 3 * 0.044715 * z * z)


_SCALE = 2 * math.sqrt(2 / math.pi)
_tanh_slope_near_minimum = taylor(_complex_gelu_tanh_slope, -1.4375, 0.375)


def _gelu_value(x):
    ratio, e, low, _, below = _gelu_parts(x)
    p = jnp.where(below, e * ratio, 1 - e * ratio)
    return Scaled(jnp.maximum(x, -50) * p, low)


def _gelu_slope(x):
    ratio, e, low, size, below = _gelu_parts(x)
    fall = e * (ratio - _DENSITY_AT_0 * size)
    return Scaled(jnp.where(below, fall, 1 - fall), low)


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
    low, below = x < -9.8, x < 0  # there 2u is -83
    size = jnp.minimum(jnp.where(below, -x, x), 50)
    square = size * size
    cube = _SCALE * 0.044715 * square * size
    e = exp(-(_SCALE * size + cube), low)
    true_e = jnp.where(low, 0, e)
    rise = _SCALE * size + 3 * cube
    fall = e * ((1 - rise) + true_e) / jnp.square(1 + true_e)
    slope = jnp.where(below, fall, 1 - fall)
    return Scaled(_tanh_slope_near_minimum(x, slope), low)


_gelu = smooth(_gelu_reference, _gelu_value, _gelu_slope, tangent=0.5)
_gelu_tanh = smooth(
    _gelu_tanh_reference, _gelu_tanh_value, _gelu_tanh_slope, tangent=0.5
)
