"""Logarithm of the softmax over one axis."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def log_softmax(x: jax.Array, axis: int = -1) -> jax.Array:
    """x_i - log sum_j exp(x_j) over `axis`.

    Shapes: x of one or more axes -> the same.
    Dtypes: any float; computed in float32 or wider.
    Units:  nats.
    Errors: TypeError unless x is of a float dtype; ValueError for an axis that x
            does not have.

    Gradient. With y = log_softmax(x), dy_i/dx_j = delta_ij - exp(y_j), so
        dx_j = g_j - exp(y_j) sum_i g_i.
    Saved: y.
    Kinks: none.
    """
    (x,) = floats("log_softmax", x=x)
    return _log_softmax(x, axis)


def _reference(x, axis):
    shifted = x - jax.lax.stop_gradient(x.max(axis, keepdims=True))
    return shifted - jnp.log(jnp.exp(shifted).sum(axis, keepdims=True))


def _forward(x, axis):
    y = _reference(wide(x), axis).astype(x.dtype)
    return y, y


def _backward(axis, y, g):
    g = wide(g)
    return (g - jnp.exp(wide(y)) * g.sum(axis, keepdims=True),)


def _cases(normal):
    for shape in [(5,), (4, 5), (2, 3, 5), (4, 1), (0, 3)]:
        yield normal(*shape), -1
    yield normal(3, 4, 2), 1
    yield normal(3, 4), 0
    yield jnp.full((2, 5), 3.0), -1
    yield jnp.array([[700.0, -700.0, 0.0], [50.0, 50.0, -50.0]]), -1


_log_softmax = rule(_reference, _forward, _backward, static="axis", cases=_cases)
