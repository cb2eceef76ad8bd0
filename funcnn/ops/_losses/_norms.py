"""Lengths and directions of rows, for vectors of any size."""

import jax
import jax.numpy as jnp
from jax import lax


def scaled(x: jax.Array, least: float = 0.0) -> tuple[jax.Array, jax.Array]:
    """X / m and m, a power of 2 near the largest entry of each row, or near `least`.

    The squares of x / m neither overflow nor vanish, and it is not rounded.
    """
    size = jnp.abs(lax.stop_gradient(x)).max(-1, keepdims=True, initial=least)
    info = jnp.finfo(x.dtype)
    power = lax.reduce_precision(size, info.nexp, 0)  # no digit but the first
    # 1 / m must be a normal number too
    m = jnp.clip(power, float(info.tiny), 2.0 ** (info.maxexp - 3))
    return x / m, m


def direction(
    x: jax.Array, least: float = 0.0
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """X / max(|x|, least) by rows, the inverse of that length, and |x| > least.

    For rows of zeros without `least` all three are 0.
    """
    y, m = scaled(x)
    squares = jnp.square(y).sum(-1, keepdims=True)
    length = jnp.sqrt(jnp.where(squares > 0, squares, 1))
    free = (squares > 0) & (m * length > least)
    at_least = 1 / least if least else 0.0
    unit = jnp.where(free, y / length, x * at_least)
    return unit, jnp.where(free, 1 / m / length, at_least), free


def direction_cotangent(
    unit: jax.Array, inverse: jax.Array, free: jax.Array, g: jax.Array
) -> jax.Array:
    """The cotangent of x from that of its `direction`, whose results are given.

    With u = x / |x|, du_i/dx_j = (delta_ij - u_i u_j) / |x|, and where the length is
    not that of x, only the first of them is there.
    """
    along = jnp.where(free, (unit * g).sum(-1, keepdims=True), 0)
    return inverse * (g - along * unit)
