"""The dropout layer."""

import dataclasses

import jax

from funcnn.errors import LayerError, MissingKeyError
from funcnn.layers._layer import Layer, Params, State
from funcnn.ops import dropout


@dataclasses.dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """`funcnn.ops.dropout` in training, else the identity.

    `rate` is the share that is dropped, 0 to 1.
    """

    rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise LayerError(f"rate must be from 0 to 1, got {self.rate}", "Dropout")

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`dropout` of x."""
        if not train or self.rate == 0:
            return x, state
        if key is None:
            raise MissingKeyError("train=True needs a key to draw the mask, got None")
        return dropout(x, key, self.rate), state
