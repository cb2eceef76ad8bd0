"""The identity, with a gradient that is multiplied by a number."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def scale_gradient(x: jax.Array, factor: float | jax.Array) -> jax.Array:
    """`x`, with `factor` times its gradient.

    Shapes: x of any shape, factor one number or an array () -> the shape of x.
    Dtypes: any float, which is kept; multiplied in float32 or wider. The factor may
            be traced, such as a schedule's value.
    Units:  `factor` is a number; 0 stops the gradient, 1 lets it be.
    Errors: ShapeError unless factor is one number; TypeError unless x is of a float
            dtype and factor a real number.

    Gradient. The identity's is g; the rule declares another (`surrogate`), that of
        y = c + f (x - c) at c = x, held fixed together with f:
        dx = f g,   df = 0.
    The factor takes no part in the value and is not learned: its gradient is 0, and
    so is that of dx by the factor.
    Saved: the factor.
    Kinks: none. A gradient that is infinite gives NaN where the factor is 0.
    Source: Ganin & Lempitsky (2014), arXiv:1409.7495, for negative factors;
    `scale_gradient` of rlax and Haiku-based code has the same value and gradient.
    """
    (x,) = floats("scale_gradient", x=x)
    return _scale_gradient(x, _factor("scale_gradient", factor, x))


def reverse_gradient(x: jax.Array, factor: float | jax.Array = 1.0) -> jax.Array:
    """`x`, with -factor times its gradient, for training against a discriminator.

    Gradient: as `scale_gradient` with -factor: dx = -f g, df = 0, declared.
    Saved:    the factor.
    Errors:   as `scale_gradient`.
    Source:   Ganin & Lempitsky (2014), arXiv:1409.7495; lambda there is the factor.
    """
    (x,) = floats("reverse_gradient", x=x)
    return _scale_gradient(x, -_factor("reverse_gradient", factor, x))


def _factor(op, factor, x):
    factor = jnp.asarray(factor)
    if jnp.issubdtype(factor.dtype, jnp.integer):
        factor = factor.astype(float)
    (factor,) = floats(op, factor=factor)
    if factor.shape:
        raise ShapeError(f"{op}: factor must be one number, got {factor.shape}")
    return factor.astype(jnp.promote_types(x.dtype, jnp.float32))


def _identity(x, factor):
    # Not plain x: of an output that does not depend on the factor, JAX would give a
    # batch of factors the sum of the cotangents, and not to each its own.
    return lax.select(jnp.broadcast_to(factor == factor, x.shape), x, x)


def _reference(x, factor):
    return _identity(x, factor)


def _surrogate(x, factor):
    here, factor = lax.stop_gradient((x, factor))
    return _identity(here, factor) + factor * (x - here)


def _forward(x, factor):
    return _identity(x, factor), factor


def _backward(factor, g):
    return wide(g) * lax.stop_gradient(factor), None


def _cases(normal):
    for shape, factor in [((), 0.5), ((3, 4), -2.0), ((2, 1, 3), 0.0), ((0, 3), 1.0)]:
        yield normal(*shape), jnp.asarray(factor)


_scale_gradient = rule(
    _reference, _forward, _backward, cases=_cases, surrogate=_surrogate
)
