"""The layer between images and products."""

import dataclasses
import math

import jax

from funcnn.errors import ShapeError
from funcnn.layers._function import FunctionLayer


@dataclasses.dataclass(frozen=True, repr=False)
class Flatten(FunctionLayer):
    """Joins all axes but the first: (batch, ...) -> (batch, n)."""

    def output(self, x: jax.Array) -> jax.Array:
        """`x` reshaped."""
        if x.ndim < 1:
            raise ShapeError(f"needs x of shape (batch, ...), got {x.shape}")
        # not -1, which an empty batch leaves open
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))
