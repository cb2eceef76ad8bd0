"""Small made-up sets, as pure functions of a JAX key."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from funcnn.data.dataset import DataError

_MOST_BITS = 20  # 2**20 rows of 20 float32 are 84 MB


def two_classes(
    key: jax.Array, n: int = 200, *, noise: float = 0.1
) -> tuple[jax.Array, jax.Array]:
    """Draw points from two crescents in the plane which reach into each other.

    Class 0 is the upper half of the unit circle; class 1 is the lower half of
    the unit circle around (1, 1/2), so that no straight line parts them. Points
    lie evenly along the arcs, and every second one is of class 1.

    Args:
        key: a JAX random key.
        n: the number of points, static under `jax.jit`, as noise is.
        noise: the standard deviation of the normal noise on each coordinate.

    Returns:
        Points, float32 (n, 2), and labels, int32 (n,), 0 or 1.

    Raises:
        DataError: n is less than 2, or noise is negative.
    """
    if n < 2:
        raise DataError(f"n must be at least 2, one for each class, but is {n}")
    if noise < 0:
        raise DataError(f"noise must not be negative, but is {noise}")
    angle_key, noise_key = jax.random.split(key)
    angle = jax.random.uniform(angle_key, (n,), jnp.float32, maxval=jnp.pi)
    upper = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    lower = jnp.array([1, 0.5], jnp.float32) - upper
    labels = jnp.arange(n, dtype=jnp.int32) % 2
    spread = noise * jax.random.normal(noise_key, (n, 2), jnp.float32)
    return jnp.where(labels[:, None] == 0, upper, lower) + spread, labels


def not_last_bit(row: jax.Array) -> jax.Array:
    """Negate the last bit of a row, float32 (bits,); the others say nothing."""
    return 1 - row[-1]


def truth_table(
    key: jax.Array,
    bits: int = 3,
    function: Callable[[jax.Array], jax.Array] = not_last_bit,
) -> tuple[jax.Array, jax.Array]:
    """Give every row of a Boolean function's truth table, in a drawn order.

    Args:
        key: a JAX random key, which draws the order.
        bits: the number of inputs, from 1 to 20.
        function: maps one row, float32 (bits,) of zeros and ones, to a number,
            such as `lambda row: row.sum() % 2` for parity; it is put through
            `jax.vmap`. The default is "not the last bit".

    Returns:
        Inputs, float32 (2**bits, bits), and targets, float32 (2**bits,).

    Raises:
        DataError: bits is out of range, or function does not give one number.
    """
    if not 1 <= bits <= _MOST_BITS:
        raise DataError(f"bits must be from 1 to {_MOST_BITS}, but is {bits}")
    numbers = jax.random.permutation(key, 2**bits)
    places = jnp.arange(bits - 1, -1, -1)
    inputs = ((numbers[:, None] >> places) & 1).astype(jnp.float32)
    targets = jax.vmap(function)(inputs)
    if targets.shape != (2**bits,):
        raise DataError(
            f"function must give one number for a row, but gives {targets.shape[1:]}"
        )
    return inputs, targets.astype(jnp.float32)
