"""What is better on one platform and worse on others."""

from typing import Any

from jax import lax


def made_again(saved: Any) -> Any:
    """Saved arrays, of which on CPU nothing is computed that is kept from elsewhere.

    There what the forward pass has made of them costs more to keep in memory than to
    make again. On a TPU or GPU the compiler is left to choose: it may make values and
    gradients in one reading of the arrays.
    """
    return lax.platform_dependent(
        saved, cpu=lax.optimization_barrier, default=lambda saved: saved
    )
