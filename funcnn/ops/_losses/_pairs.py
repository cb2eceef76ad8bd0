"""Checks of the pairs of arrays that losses compare."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats, same_shape


def one_shape(op: str, /, **arrays: jax.Array) -> tuple[jax.Array, ...]:
    """The arguments as arrays of their common float dtype and of one shape.

    Raises:
      DtypeError: when one is not of a float dtype.
      ShapeError: when their shapes differ, for nothing is broadcast.
    """
    common = floats(op, **arrays)
    same_shape(op, **dict(zip(arrays, common, strict=True)))
    return common


def with_labels(op: str, /, **arrays: jax.Array) -> tuple[jax.Array, ...]:
    """As `one_shape`, of two arrays, of which the second may be of integers.

    They are cast to the dtype of the first.
    """
    (name, scores), (labels_name, labels) = arrays.items()
    (scores,) = floats(op, **{name: scores})
    labels = jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.inexact):
        labels = labels.astype(scores.dtype)
    return one_shape(op, **{name: scores, labels_name: labels})
