r"""Functions made of logarithms, of one number: dx = g f'(x), elementwise.

Shapes, dtypes and errors: as in `_pointwise`.
"""

import math

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats
from funcnn.ops._pointwise._elementwise import smooth
from funcnn.ops._pointwise._parts import exact_tanh, expm1_near_0, log1m, log_of_cosh
from funcnn.ops._pointwise._scaling import (
    HALF_UP,
    SHIFT,
    SMALL,
    TAIL,
    UP,
    Scaled,
    as_scaled,
    exp,
    up,
)


def log_cosh(x: jax.Array) -> jax.Array:
    """log(cosh(x)), near x^2 / 2 for small x and near |x| - log 2 for large.

    Gradient: f'(x) = sinh(x) / cosh(x) = tanh(x).
    Saved:    x.
    """
    return _log_cosh(*floats("log_cosh", x=x))


def log1mexp(x: jax.Array) -> jax.Array:
    """log(1 - exp(-x)) for x >= 0; it and its slope are NaN for x < 0.

    Gradient: f'(x) = exp(-x) / (1 - exp(-x)) = 1 / (exp(x) - 1).
    Saved:    x.
    Kinks:    at 0 the value is -inf and the slope inf.
    Source:   Mächler (2012), Accurately computing log(1 - exp(-|a|)). The sign is that
              of `jax.nn.log1mexp`; other libraries take log(1 - exp(x)) for x < 0.
    """
    return _log1mexp(*floats("log1mexp", x=x))


def xlogx(x: jax.Array) -> jax.Array:
    """X log(x), and 0 at 0; NaN for x < 0.

    Gradient: f'(x) = log(x) + 1.
    Saved:    x.
    Kinks:    at 0 the slope of the function is -inf, which would make NaN of every
              cotangent of 0 that a mask leaves there. The slope taken is that at the
              least positive number of float32 (of float64, for float64): -102.3.
    Source:   x log(x) is the negative of SciPy's `entr`, which is -inf for x < 0.
    """
    return _xlogx(*floats("xlogx", x=x))


# References: the plain definitions.


def _log_cosh_reference(x):
    size = jnp.where(x > 0, x, -x)
    return size + jnp.log1p(jnp.expm1(-2 * size) / 2)


def _log1mexp_reference(x):
    return jnp.log(-jnp.expm1(-x))


def _xlogx_reference(x):
    zero = x == 0
    return jnp.where(zero, x * _slope_at_0(x), x * jnp.log(jnp.where(zero, 1, x)))


def _slope_at_0(x):
    info = jnp.finfo(jnp.promote_types(x.dtype, jnp.float32))
    return (info.minexp - info.nmant) * math.log(2) + 1


# Values and slopes. What a branch must not see, for its derivative would be infinite
# there, is cut off before it.


def _log_cosh_value(x):
    low = jnp.abs(x) < 2.0**-32
    square = jnp.square(jnp.where(low, x, 0) * HALF_UP) / 2
    return Scaled(jnp.where(low, square, log_of_cosh(x)), low)


def _log_cosh_slope(x):
    near = as_scaled(x)
    return near._replace(number=jnp.where(near.low, near.number, exact_tanh(x)))


def _log1mexp_value(x):
    small, low = x < SMALL, x > TAIL
    rest = jnp.where(small, up(x), -expm1_near_0(-jnp.minimum(x, 0.7)))
    near = jnp.log(rest) - jnp.where(small, SHIFT, 0)
    e = exp(-jnp.maximum(x, 0.69), low)
    far = jnp.where(low, -e, log1m(e))
    return Scaled(jnp.where(x < math.log(2), near, far), low)


def _log1mexp_slope(x):
    near, low = as_scaled(x), x > TAIL
    e = jnp.exp(jnp.where(low, SHIFT - x, x))
    inside = x < 0.69
    size = jnp.where(inside, expm1_near_0(jnp.where(inside, x, 0)), e - 1)
    size = jnp.where(near.low, jnp.abs(near.number), size)
    slope = jnp.where(low, e, jnp.where(near.low, UP, 1) / size)
    return Scaled(jnp.where(near.number < 0, jnp.nan, slope), low)


def _xlogx_log(x):
    """log(x), down to the least subnormal number, of which it is that at 0."""
    near = as_scaled(x)
    log = jnp.log(jnp.where(near.number == 0, 1, near.number))
    log = log - jnp.where(near.low, SHIFT, 0)
    return jnp.where(near.number == 0, _slope_at_0(x) - 1, log)


def _xlogx_value(x):
    return as_scaled(x).times(_xlogx_log(x))


def _xlogx_slope(x):
    return _xlogx_log(x) + 1


_log_cosh = smooth(_log_cosh_reference, _log_cosh_value, _log_cosh_slope)
_log1mexp = smooth(
    _log1mexp_reference,
    _log1mexp_value,
    _log1mexp_slope,
    special=((1e-3, 0.69, 0.7, 20.0, 700.0),),
    domain=jnp.abs,
)
_xlogx = smooth(
    _xlogx_reference,
    _xlogx_value,
    _xlogx_slope,
    special=((1e-3, 1.0, 20.0, 700.0),),
    domain=jnp.abs,
)
