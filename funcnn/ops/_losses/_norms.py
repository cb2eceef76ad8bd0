"""Lengths and directions of rows, for vectors of any size."""

import jax
import jax.numpy as jnp

from funcnn.ops._squares import by_unit, length


def direction(
    x: jax.Array, least: float = 0.0
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """X / max(|x|, least) by rows, the inverse of that length, and |x| > least.

    For rows of zeros without `least` all three are 0.
    """
    n = length(x, axes=-1)
    free = n.root > least / n.unit
    at_least = 1 / least if least else 0.0

    def unit_vector(u, unit, root, x, free):
        return jnp.where(free, u / root, x * at_least)

    unit = by_unit(unit_vector, x, n.unit, n.divisor, x, free)
    return unit, jnp.where(free, n.inverse / n.unit, at_least), free


def direction_cotangent(
    unit: jax.Array, inverse: jax.Array, free: jax.Array, g: jax.Array
) -> jax.Array:
    """The cotangent of x from that of its `direction`, whose results are given.

    With u = x / |x|, du_i/dx_j = (delta_ij - u_i u_j) / |x|, and where the length is
    not that of x, only the first of them is there.
    """
    along = jnp.where(free, (unit * g).sum(-1, keepdims=True), 0)
    return inverse * (g - along * unit)
