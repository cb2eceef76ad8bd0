"""Cosine of the angle between vectors, and one minus it."""

import math

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import wide
from funcnn.ops._losses._norms import direction
from funcnn.ops._losses._pairs import one_shape
from funcnn.rules import rule


def cosine_similarity(
    predictions: jax.Array, targets: jax.Array, *, epsilon: float = 0.0
) -> jax.Array:
    """sum_k a_k b_k / (|a| |b|) over the last axis: a predictions, b targets.

    Squared lengths below `epsilon` are taken as `epsilon`. A vector of zeros has the
    similarity 0 to all others.

    Shapes: two arrays (..., n) -> (...).
    Dtypes: the arguments' common float dtype; computed in float32 or wider, and for
            lengths whose squares are not in its range too.
    Units:  none; `epsilon` has those of a squared length.
    Errors: ShapeError unless both have one shape of one or more axes, for nothing is
            broadcast; ValueError for a negative `epsilon`.

    Gradient. With a^ = a / |a|, b^ = b / |b|, c = <a^, b^> and
    da^_i/da_j = (delta_ij - a^_i a^_j) / |a|,
        da = g (b^ - c a^) / |a|,    db = g (a^ - c b^) / |b|.
    Where |a| is replaced by e = sqrt(epsilon), da = g b^ / e, and likewise for b.
    Saved: predictions and targets.
    Kinks: a vector of zeros has the slope 0 with epsilon = 0, where there is none, and
    g b^ / e else; at a squared length of epsilon the slope is that of the side below.
    Source: `optax.losses.cosine_similarity`, whose value and slope for a vector of
    zeros are NaN with epsilon = 0.
    """
    return _cosine_similarity(
        *_vectors("cosine_similarity", predictions, targets, epsilon)
    )


def cosine_distance(
    predictions: jax.Array, targets: jax.Array, *, epsilon: float = 0.0
) -> jax.Array:
    """1 - `cosine_similarity`, with its digits for vectors that are nearly parallel.

    Shapes, Dtypes, Units, Errors and Kinks: as `cosine_similarity`. A vector of
    zeros has the distance 1 to all others.

    Gradient. That of `cosine_similarity` with the other sign. The value is computed as
    (|a^ - b^|^2 + (1 - |a^|^2) + (1 - |b^|^2)) / 2, whose last parts are 0 but where a
    length was below sqrt(epsilon).
    Saved: predictions and targets.
    """
    return _cosine_distance(*_vectors("cosine_distance", predictions, targets, epsilon))


def _vectors(op, predictions, targets, epsilon):
    a, b = one_shape(op, predictions=predictions, targets=targets)
    if a.ndim < 1:
        raise ShapeError(f"{op}: needs arrays (..., n), got {a.shape}")
    if not float(epsilon) >= 0:
        raise ValueError(f"{op}: epsilon must not be negative, got {epsilon}")
    return a, b, math.sqrt(epsilon)


def _direction_reference(x, least):
    square = (x * x).sum(-1, keepdims=True)
    longer = square > least**2
    inverse = 1 / jnp.sqrt(jnp.where(longer, square, 1))
    return x * jnp.where(longer, inverse, 1 / least if least else 0.0)


def _similarity_reference(predictions, targets, least):
    a, b = (_direction_reference(x, least) for x in (predictions, targets))
    return (a * b).sum(-1)


def _distance_reference(predictions, targets, least):
    return 1 - _similarity_reference(predictions, targets, least)


def _similarity_forward(predictions, targets, least):
    (a, _, _), (b, _, _) = (direction(wide(x), least) for x in (predictions, targets))
    return (a * b).sum(-1).astype(predictions.dtype), (predictions, targets)


def _distance_forward(predictions, targets, least):
    (a, _, a_free), (b, _, b_free) = (
        direction(wide(x), least) for x in (predictions, targets)
    )
    short = _shortness(a, a_free) + _shortness(b, b_free)
    distance = (jnp.square(a - b).sum(-1) + short) / 2
    return distance.astype(predictions.dtype), (predictions, targets)


def _shortness(unit, free):
    square = jnp.square(unit).sum(-1)
    return jnp.where(free[..., 0], 0, 1 - square)


def _similarity_backward(least, saved, g):
    a, b = (direction(wide(x), least) for x in saved)
    cosine = (a[0] * b[0]).sum(-1, keepdims=True)
    return _towards(a, b[0], cosine, g), _towards(b, a[0], cosine, g)


def _towards(own, other, cosine, g):
    unit, inverse, free = own
    return wide(g)[..., None] * inverse * (other - jnp.where(free, cosine, 0) * unit)


def _distance_backward(least, saved, g):
    return _similarity_backward(least, saved, -g)


def _cases(normal):
    yield normal(5), normal(5), 0.125
    yield normal(2, 2, 3), normal(2, 2, 3), 0.0
    yield normal(0, 3), normal(0, 3), 0.125
    a = normal(4, 3) * jnp.array([[1.0], [0.0], [1e-2], [1.0]])
    b = normal(4, 3) * jnp.array([[1.0], [1.0], [1.0], [0.0]])
    yield a, b, 0.5
    yield normal(2, 3), jnp.ones((2, 1)) * normal(3), 0.0


_cosine_similarity = rule(
    _similarity_reference,
    _similarity_forward,
    _similarity_backward,
    static="least",
    cases=_cases,
    name="cosine_similarity",
)
_cosine_distance = rule(
    _distance_reference,
    _distance_forward,
    _distance_backward,
    static="least",
    cases=_cases,
    name="cosine_distance",
)
