"""Softmax over one axis."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def softmax(x: jax.Array, axis: int = -1) -> jax.Array:
    """exp(x_i) / sum_j exp(x_j) over `axis`.

    Shapes: x of one or more axes -> the same.
    Dtypes: any float; computed in float32 or wider.
    Errors: TypeError unless x is of a float dtype; ValueError for an axis that x
            does not have.

    Gradient. With y = softmax(x), dy_i/dx_j = y_i (delta_ij - y_j), so
        dx_j = sum_i g_i dy_i/dx_j = y_j (g_j - sum_i g_i y_i).
    Saved: y.
    Kinks: none; entries of -inf give 0 and get 0, rows of nothing else NaN.
    Source: Bridle (1990), Neurocomputing, NATO ASI F68.
    """
    (x,) = floats("softmax", x=x)
    return _softmax(x, axis)


def _reference(x, axis):
    e = jnp.exp(x - jax.lax.stop_gradient(x.max(axis, keepdims=True)))
    return e / e.sum(axis, keepdims=True)


def _forward(x, axis):
    x32 = wide(x)
    e = jnp.exp(x32 - x32.max(axis, keepdims=True))
    y = (e / e.sum(axis, keepdims=True)).astype(x.dtype)
    return y, y


def _backward(axis, y, g):
    y, g = wide(y), wide(g)
    return (y * (g - (g * y).sum(axis, keepdims=True)),)


def _cases(normal):
    for shape in [(5,), (4, 5), (2, 3, 5), (4, 1), (0, 3)]:
        yield normal(*shape), -1
    yield normal(3, 4, 2), 1
    yield normal(3, 4), 0
    yield jnp.full((2, 5), 3.0), -1
    yield jnp.array([[700.0, -700.0, 0.0], [50.0, 50.0, -50.0]]), -1


_softmax = rule(_reference, _forward, _backward, static="axis", cases=_cases)
