"""Lengths and directions of rows, for vectors of any size."""

import jax
import jax.numpy as jnp

from funcnn.ops._squares import length_without_branch, over


def direction(
    x: jax.Array, least: float = 0.0
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """X / max(|x|, least) by rows, the inverse of that length, and |x| > least.

    For rows of zeros without `least` all three are 0.
    """
    n = length_without_branch(x, -1)
    free = (n.root > 0) & (n.unit * n.divisor > least)
    at_least = 1 / least if least else 0.0
    unit = jnp.where(free, over(x, n.unit) / n.divisor, x * at_least)
    return unit, jnp.where(free, 1 / n.unit / n.divisor, at_least), free


def direction_cotangent(
    unit: jax.Array, inverse: jax.Array, free: jax.Array, g: jax.Array
) -> jax.Array:
    """The cotangent of x from that of its `direction`, whose results are given.

    With u = x / |x|, du_i/dx_j = (delta_ij - u_i u_j) / |x|, and where the length is
    not that of x, only the first of them is there.
    """
    along = jnp.where(free, (unit * g).sum(-1, keepdims=True), 0)
    return inverse * (g - along * unit)
