"""What the rules of this family share: statistics, and the shapes they are over."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import wide


def mean_and_variance(
    x: jax.Array, axes: int | tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
    """The mean and the biased variance, over axes that stay with size 1.

    In float32 or wider. The mean is corrected once, for a sum rounds the more the
    longer it is: where all entries are equal it is theirs, and the variance is 0.
    """
    x = wide(x)
    mean = x.mean(axes, keepdims=True)
    mean = mean + (x - mean).mean(axes, keepdims=True)
    return mean, jnp.square(x - mean).mean(axes, keepdims=True)


def check_channels(op: str, x: jax.Array, **parameters: jax.Array) -> None:
    """Raises `ShapeError` unless x is (..., c) with a batch, and parameters (c,)."""
    if x.ndim < 2:
        raise ShapeError(f"{op}: needs x of shape (..., channels), got {x.shape}")
    check_features(op, x, **parameters)


def check_features(op: str, x: jax.Array, **parameters: jax.Array) -> None:
    """Raises `ShapeError` unless x is (..., n) and the parameters are (n,)."""
    for name, parameter in parameters.items():
        if not x.ndim or parameter.shape != x.shape[-1:]:
            raise ShapeError(
                f"{op}: x {x.shape} needs {name} {x.shape[-1:]}, got {parameter.shape}"
            )


def mean_products(scale: jax.Array, *arrays: jax.Array) -> list[jax.Array]:
    """The means of scale x over the last axis, which stays with size 1.

    As matrix products, for in a sum XLA on CPU would write scale out for each row.
    There by two equal columns: for one it compiles a loop of its own, for two it has a
    library.
    """

    def by_columns(columns, *arrays):
        return [jnp.matmul(x, columns, precision="highest")[..., :1] for x in arrays]

    products = lax.platform_dependent(
        scale,
        *arrays,
        cpu=lambda scale, *arrays: by_columns(jnp.stack([scale, scale], 1), *arrays),
        default=lambda scale, *arrays: by_columns(scale[:, None], *arrays),
    )
    return [product / len(scale) for product in products]
