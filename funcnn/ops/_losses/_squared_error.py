"""The squared difference of predictions and targets."""

import jax

from funcnn.ops._arguments import floats, same_shape
from funcnn.rules import rule


def squared_error(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """(predictions - targets)^2, elementwise and unreduced, without a factor 1/2.

    Shapes: two arrays of one shape -> the same.
    Dtypes: the arguments' common float dtype.
    Units:  those of the predictions, squared.
    Errors: ShapeError unless both have one shape, for nothing is broadcast.

    Gradient. With d = p - t, y = d^2: dp = 2 g d and dt = -2 g d.
    Saved: d.
    Kinks: none.
    """
    predictions, targets = floats(
        "squared_error", predictions=predictions, targets=targets
    )
    same_shape("squared_error", predictions=predictions, targets=targets)
    return _squared_error(predictions, targets)


def _reference(predictions, targets):
    return (predictions - targets) ** 2


def _forward(predictions, targets):
    difference = predictions - targets
    return difference * difference, difference


def _backward(difference, g):
    dpredictions = 2 * g * difference
    return dpredictions, -dpredictions


def _cases(normal):
    for shape in [(), (1,), (3, 5), (0, 2)]:
        yield normal(*shape), normal(*shape)
    same = normal(4)
    yield same, same


_squared_error = rule(_reference, _forward, _backward, cases=_cases)
