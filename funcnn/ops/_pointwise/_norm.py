"""The Euclidean norm."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._pointwise._scaling import SMALL, Scaled, rounded, up
from funcnn.ops._squares import are_ordinary
from funcnn.rules import rule


def norm(x: jax.Array, *, axis: int = -1, keepdims: bool = False) -> jax.Array:
    """The root of the sum of squares along an axis, with slope 0 at 0.

    Shapes: x (..., n, ...) with n at `axis` -> without that axis, or with 1 there if
            `keepdims`; n may be 0, of which the norm is 0.
    Dtypes: any float; computed in float32 or wider.
    Errors: ShapeError when x has no such axis.

    Gradient. With y = (sum_j x_j^2)^(1/2),
        dy/dx_i = x_i / y,   so   dx = g x / y,
    and nothing overflows or is lost when all is divided by m = max |x_j| first, which
    is done where some sum of squares is not of ordinary size:
        y = m (sum_j (x_j / m)^2)^(1/2).
    Saved: x; and y, in float32 or wider.
    Kinks: at x = 0 the slope is 0, which of all slopes there is the least; that of
    `jnp.linalg.norm` is NaN.
    """
    (x,) = floats("norm", x=x)
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"norm: x {x.shape} has no axis {axis}")
    return _norm(x, axis % x.ndim, bool(keepdims))


def _reference(x, axis, keepdims):
    square = jnp.square(x).sum(axis, keepdims=keepdims)
    zero = square == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))


def _forward(x, axis, keepdims):
    square = jnp.square(wide(x)).sum(axis, keepdims=True)
    output, y = lax.cond(
        are_ordinary(square),
        lambda x, square: (jnp.sqrt(square),) * 2,
        lambda x, square: _scaled_length(x, axis),
        wide(x),
        square,
    )
    output = output.astype(x.dtype)
    return output if keepdims else output.squeeze(axis), (x, y)


def _scaled_length(x, axis):
    """The norm, and 2^64 times it where it may be subnormal."""
    lifted, low = _lifted(x, axis)
    largest = jnp.abs(lifted).max(axis, keepdims=True, initial=0)
    unit = jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)
    unit = lax.stop_gradient(unit)  # y does not depend on it
    square = jnp.square(lifted / unit).sum(axis, keepdims=True)
    y = unit * jnp.where(square == 0, 0, jnp.sqrt(jnp.where(square == 0, 1, square)))
    return rounded(Scaled(y, low)), y


def _backward(axis, keepdims, saved, g):
    x, y = saved
    g = wide(g) if keepdims else jnp.expand_dims(wide(g), axis)
    return (
        lax.cond(
            are_ordinary(jnp.square(y)),
            lambda x, y, g: x * (1 / y) * g,
            lambda x, y, g: _scaled_cotangent(x, y, g, axis),
            wide(x),
            y,
            g,
        ),
    )


def _scaled_cotangent(x, y, g, axis):
    lifted, _ = _lifted(x, axis)
    return jnp.where(y == 0, 0, g * (lifted / jnp.where(y == 0, 1, y)))


def _lifted(x, axis):
    """Of x, and 2^64 x in rows of numbers so small that they may be subnormal."""
    low = jnp.abs(x).max(axis, keepdims=True, initial=0) < SMALL
    return jnp.where(low, up(x), x), low


def _cases(normal):
    yield normal(5), 0, False
    yield normal(2, 3), 1, True
    yield normal(3, 1, 2), 0, False
    yield normal(2, 1), 1, False
    yield normal(0, 3), 1, False
    yield normal(3, 0), 1, False
    yield jnp.array([[0.0, 0.0, 0.0], [3.0, 0.0, -4.0]]), 1, False  # the other branch


_norm = rule(_reference, _forward, _backward, static=["axis", "keepdims"], cases=_cases)
