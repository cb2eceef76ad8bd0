"""Checks and casts of arguments that many ops share."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

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


def floats_or_none(
    op: str, optional: Sequence[str], /, **arrays: Any
) -> tuple[Any, ...]:
    """`floats`, in which those that are named in `optional` may be, and stay, None."""
    given = {n: a for n, a in arrays.items() if a is not None or n not in optional}
    found = dict(zip(given, floats(op, **given), strict=True))
    return tuple(found.get(name) for name in arrays)


def same_shape(op: str, /, **arrays: jax.Array) -> None:
    """Raises `ShapeError` unless all arguments have one shape.

    Broadcasting (n, 1) against (n,) is a classic way to a silently wrong loss.
    """
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(f"{op}: needs arguments of one shape, got {given}")


def check_bias(
    op: str, bias: jax.Array | None, shape: tuple[int, ...], of: str
) -> None:
    """Raises `ShapeError` unless `bias` is None or has the `shape` that `of` needs."""
    if bias is not None and bias.shape != shape:
        raise ShapeError(f"{op}: {of} needs bias {shape}, got {bias.shape}")


def wide(x: jax.Array) -> jax.Array:
    """`x` in float32 or wider: what statistics and sums are computed in."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def apart(x: jax.Array) -> jax.Array:
    """`x`, made by itself before it is summed.

    XLA on CPU would else draw what makes it into the sum, and write its factors out
    for each entry. Rounded to the digits that it has, it is a step of its own.
    """
    info = jnp.finfo(x.dtype)
    return lax.reduce_precision(x, info.nexp, info.nmant)


def leading_axes(x: jax.Array) -> tuple[int, ...]:
    """All axes but the last."""
    return tuple(range(x.ndim - 1))


def axes_of(op: str, x: jax.Array, axis: int | Sequence[int] | None) -> tuple[int, ...]:
    """An axis or several, counted from 0; all axes for None.

    Raises:
      ValueError: naming `op`, unless x has each of them, once.
    """
    if axis is None:
        return tuple(range(x.ndim))
    given = axis if isinstance(axis, Sequence) else (axis,)
    axes = tuple(operator.index(a) + x.ndim * (a < 0) for a in given)
    if len(set(axes)) < len(axes) or not all(0 <= a < x.ndim for a in axes):
        raise ValueError(
            f"{op}: axis must be of the {x.ndim} axes of x {x.shape}, got {axis}"
        )
    return axes


def check_key(op: str, key: Any) -> None:
    """Raises TypeError, naming `op`, unless `key` is one PRNG key, typed or raw."""
    key = jnp.asarray(key)
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not (typed or key.dtype == jnp.uint32) or key.ndim != (0 if typed else 1):
        raise TypeError(
            f"{op}: key must be one key, such as jax.random.key(0), "
            f"got {key.dtype}{list(key.shape)}"
        )
