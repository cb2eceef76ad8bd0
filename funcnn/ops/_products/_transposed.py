"""The transpose of a factor, where products are faster if it is written out."""

import jax
import jax.numpy as jnp
from jax import lax


def transposed_first(x: jax.Array) -> jax.Array:
    """X^T as a factor of products.

    On CPU it is written out, before a loop if it is made there: XLA has a library for
    products of rows with columns that is faster than what it has for others. So it is
    for small factors; of a large one the copy costs more.
    """
    return lax.platform_dependent(
        x, cpu=lambda x: lax.optimization_barrier(x.T), default=jnp.transpose
    )
