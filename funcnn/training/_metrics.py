"""Figures of merit that are reported and not minimized."""

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError


def accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """1.0 where the largest logit is that of the label, else 0.0; unreduced.

    Shapes: logits (..., n), integer labels (...) -> (...), float32.
    Errors: ShapeError unless the shapes fit.
    Of equal logits the first counts.
    """
    if labels.shape != logits.shape[:-1]:
        raise ShapeError(
            f"accuracy: logits {logits.shape} need labels {logits.shape[:-1]}, "
            f"got {labels.shape}"
        )
    return (logits.argmax(-1) == labels).astype(jnp.float32)


def binary_accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """1.0 where the logit is positive just when the label is 1, else 0.0; unreduced.

    For one logit per answer, that of `sigmoid_cross_entropy`. Labels that are
    probabilities count as 1 above one half.

    Shapes: logits and labels, integers or floats, of one shape -> the same, float32.
    Errors: ShapeError unless they have one shape.
    A logit of 0 counts as an answer for 0.
    """
    if labels.shape != logits.shape:
        raise ShapeError(
            f"binary_accuracy: logits {logits.shape} need labels {logits.shape}, "
            f"got {labels.shape}"
        )
    return ((logits > 0) == (labels > 0.5)).astype(jnp.float32)
