"""The layer between images and products."""

import dataclasses

import jax

from funcnn.errors import ShapeError
from funcnn.layers._layer import Layer, Params, State


@dataclasses.dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Joins all axes but the first: (batch, ...) -> (batch, n)."""

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`x` reshaped."""
        if x.ndim < 1:
            raise ShapeError(f"needs x of shape (batch, ...), got {x.shape}")
        size = 1
        for n in x.shape[1:]:  # not -1, which an empty batch leaves open
            size *= n
        return x.reshape(x.shape[0], size), state
