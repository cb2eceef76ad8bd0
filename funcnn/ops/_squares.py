"""Sums of squares, and whether they have kept the digits of what was squared."""

import jax
import jax.numpy as jnp


def are_ordinary(squares: jax.Array) -> jax.Array:
    """Whether no sum of squares has overflowed, or has lost terms that count."""
    largest = float(jnp.finfo(squares.dtype).max)
    return jnp.all((squares > 2.0**-60) & (squares < largest))
