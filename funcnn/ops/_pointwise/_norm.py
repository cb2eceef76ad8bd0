"""The Euclidean norm."""

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._squares import by_unit, length
from funcnn.rules import rule


def norm(x: jax.Array, *, axis: int = -1, keepdims: bool = False) -> jax.Array:
    """The root of the sum of squares along an axis, with slope 0 at 0.

    Shapes: x (..., n, ...) with n at `axis` -> without that axis, or with 1 there if
            `keepdims`; n may be 0, of which the norm is 0.
    Dtypes: any float; computed in float32 or wider.
    Errors: ShapeError when x has no such axis.

    Gradient. With y = (sum_j x_j^2)^(1/2),
        dy/dx_i = x_i / y,   so   dx = g x / y,
    and nothing overflows or is lost when all is divided by a power of two m first,
    which is done where the numbers are not of ordinary size:
        y = m (sum_j (x_j / m)^2)^(1/2).
    Saved: x; and m and y / m, in float32 or wider.
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
    y = length(x, axes=axis)
    output = y.value.astype(x.dtype)
    return output if keepdims else output.squeeze(axis), (x, y)


def _backward(axis, keepdims, saved, g):
    x, y = saved
    g = wide(g) if keepdims else jnp.expand_dims(wide(g), axis)
    return (by_unit(_cotangent, wide(x), y.unit, y.inverse, g),)


def _cotangent(x, unit, inverse, g):
    return x * inverse * g


def _cases(normal):
    yield normal(5), 0, False
    yield normal(2, 3), 1, True
    yield normal(3, 1, 2), 0, False
    yield normal(2, 1), 1, False
    yield normal(0, 3), 1, False
    yield normal(3, 0), 1, False
    yield jnp.array([[0.0, 0.0, 0.0], [3.0, 0.0, -4.0]]), 1, False  # the other branch


_norm = rule(_reference, _forward, _backward, static=["axis", "keepdims"], cases=_cases)
