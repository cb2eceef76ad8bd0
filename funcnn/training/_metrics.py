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
