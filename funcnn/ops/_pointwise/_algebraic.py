r"""Polynomials, fractions and roots, of one number: dx = g f'(x), elementwise.

Shapes, dtypes and errors: as in `_pointwise`.
"""

import math

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats
from funcnn.ops._pointwise._elementwise import positive_number, smooth
from funcnn.ops._pointwise._scaling import HALF_UP, Scaled, as_scaled


def relu_squared(x: jax.Array) -> jax.Array:
    """max(x, 0)^2.

    Gradient: f'(x) = 2 max(x, 0).
    Saved:    x.
    Source:   So et al. (2021), Primer, arXiv:2109.08668.
    """
    return _relu_squared(*floats("relu_squared", x=x))


def hard_silu(x: jax.Array) -> jax.Array:
    """X min(max(x + 3, 0), 6) / 6; also called hard swish.

    Gradient: f'(x) = 0 for x <= -3, (2x + 3) / 6 between, 1 for x >= 3.
    Saved:    x.
    Kinks:    at -3 the slope is 0 and at 3 it is 1, as in `jax.nn.hard_silu`.
    Source:   Howard et al. (2019), arXiv:1905.02244.
    """
    return _hard_silu(*floats("hard_silu", x=x))


hard_swish = hard_silu


def soft_sign(x: jax.Array) -> jax.Array:
    """X / (1 + |x|).

    Gradient: f'(x) = 1 / (1 + |x|)^2.
    Saved:    x.
    Source:   Bergstra et al. (2009), Quadratic polynomials learn better image
              features.
    """
    return _soft_sign(*floats("soft_sign", x=x))


def squareplus(x: jax.Array, b: float = 4.0) -> jax.Array:
    """(x + r) / 2, r = sqrt(x^2 + b): a smooth max(x, 0) that only needs a root.

    For x < 0 it is computed as b / (2 (r - x)), which has no cancellation.

    Gradient: f'(x) = (1 + x / r) / 2, for x < 0 b / (2 r (r - x)), else 1 - f'(-x).
    Saved:    x.
    Errors:   ValueError unless `b` is above 0; it is not differentiated.
    Source:   Barron (2021), arXiv:2112.11687.
    """
    return _squareplus(*floats("squareplus", x=x), positive_number("squareplus", b=b))


# References: the plain definitions.


def _relu_squared_reference(x):
    return jnp.where(x > 0, x * x, 0)


def _hard_silu_reference(x):
    bent = jnp.where(x > -3, x * (x + 3) / 6, 0)
    return jnp.where(x < 3, bent, x)


def _soft_sign_reference(x):
    return x / (1 + jnp.where(x > 0, x, -x))


def _squareplus_reference(x, b):
    return (x + jnp.sqrt(x * x + b)) / 2


# Values and slopes.


def _relu_squared_value(x):
    low = jnp.abs(x) < 1 / HALF_UP
    root = jnp.maximum(x, 0) * jnp.where(low, HALF_UP, 1)
    return Scaled(root * root, low)


def _relu_squared_slope(x):
    near = as_scaled(x)
    return near._replace(number=2 * jnp.where(near.number > 0, near.number, 0))


def _hard_silu_slope(x):
    bent = jnp.where(x > -3, (2 * x + 3) / 6, 0)
    return jnp.where(x < 3, bent, 1)


def _soft_sign_value(x):
    c = jnp.clip(x, -1e30, 1e30)
    return c / (1 + jnp.where(c > 0, c, -c))


def _soft_sign_slope(x):
    low = jnp.abs(x) > 2.0**40
    root = (1 + jnp.where(x > 0, x, -x)) * jnp.where(low, 1 / HALF_UP, 1)
    return Scaled(1 / (root * root), low)


def _squareplus_parts(x, b):
    """|x| / r, r, b / (2 (r + |x|)) / root b, 2^32 times where low, and that root."""
    root, low = math.sqrt(b), x < -math.sqrt(b) * 2.0**40
    size = jnp.where(x < 0, -x, x)
    near = size < root * 2.0**30
    clipped = jnp.where(near, size, 1)
    r = jnp.sqrt(clipped * clipped + b)
    ratio, r = jnp.where(near, clipped / r, 1), jnp.where(near, r, size)
    lift = jnp.where(low, HALF_UP, 1)
    return ratio, r, lift * (root / 4) / (r / 2 + size / 2), root * lift, low


def _squareplus_value(x, b):
    _, r, part, lifted, low = _squareplus_parts(x, b)
    return Scaled(jnp.where(x < 0, lifted * part, x / 2 + r / 2), low)


def _squareplus_slope(x, b):
    """By r^2 + |x| r, of which the first, b and all, is more exact than r."""
    root, below = math.sqrt(b), x < 0
    low = x < -root * 2.0**40
    scale = jnp.where(low, 1 / HALF_UP, 1)
    size = jnp.minimum(scale * jnp.where(below, -x, x), root * 2.0**60)
    square = size * size + scale * scale * b
    fall = b / 2 / (square + size * jnp.sqrt(square))
    return Scaled(jnp.where(below, fall, 1 - fall), low)


_relu_squared = smooth(
    _relu_squared_reference, _relu_squared_value, _relu_squared_slope
)
_hard_silu = smooth(
    _hard_silu_reference,
    _hard_silu_reference,
    _hard_silu_slope,
    tangent=0.5,
    special=((0.0, -0.0, 20.0, -700.0), (3.0, -3.0)),
)
_soft_sign = smooth(_soft_sign_reference, _soft_sign_value, _soft_sign_slope, tangent=1)
_squareplus = smooth(
    _squareplus_reference, _squareplus_value, _squareplus_slope, b=(4.0, 0.3)
)
