"""Checks and casts of arguments that many ops share."""

from typing import Any

import jax
import jax.numpy as jnp

from funcnn.errors import DtypeError, ShapeError


def floats(op: str, /, **arrays: Any) -> tuple[jax.Array, ...]:
    """The arguments as arrays of their common floating dtype.

    Raises:
      DtypeError: (a TypeError) naming `op` and the argument that is not of a real
        float dtype.
    """
    values = {name: jnp.asarray(array) for name, array in arrays.items()}
    for name, value in values.items():
        if not jnp.issubdtype(value.dtype, jnp.floating):
            raise DtypeError(
                f"{op}: {name} must be of a float dtype, got {value.dtype}"
            )
    dtype = jnp.result_type(*values.values())
    return tuple(value.astype(dtype) for value in values.values())


def same_shape(op: str, /, **arrays: jax.Array) -> None:
    """Raises `ShapeError` unless all arguments have one shape.

    Broadcasting (n, 1) against (n,) is a classic way to a silently wrong loss.
    """
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(f"{op}: needs arguments of one shape, got {given}")


def wide(x: jax.Array) -> jax.Array:
    """`x` in float32 or wider: what statistics and sums are computed in."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def leading_axes(x: jax.Array) -> tuple[int, ...]:
    """All axes but the last."""
    return tuple(range(x.ndim - 1))
