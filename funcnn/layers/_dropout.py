"""Layers that drop at random in training, and are the identity otherwise."""

import dataclasses
from collections.abc import Callable, Sequence

import jax

from funcnn.errors import LayerError, MissingKeyError
from funcnn.layers._conv import hashable
from funcnn.layers._layer import Layer, Params, State
from funcnn.ops import drop_path, dropout, spatial_dropout


@dataclasses.dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """`funcnn.ops.dropout` in training, else the identity.

    `rate` is the share that is dropped, 0 to 1; entries that differ only along the
    axes `broadcast_dims` are dropped together.
    """

    rate: float
    broadcast_dims: Sequence[int] = ()

    def __post_init__(self) -> None:
        check_rate("Dropout", self.rate)
        hashable(self, "broadcast_dims")

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

        def drop(x: jax.Array, key: jax.Array, rate: float) -> jax.Array:
            return dropout(x, key, rate, broadcast_dims=self.broadcast_dims)

        return dropped(drop, x, self.rate, key, train), state


@dataclasses.dataclass(frozen=True, repr=False)
class DropPath(Layer):
    """`funcnn.ops.drop_path` in training, else the identity: whole examples.

    As the last layer of what `Residual` adds it is stochastic depth:
    ``Residual(Chain(layer, DropPath(0.1)))``. `rate` is the share that is dropped,
    0 to 1.
    """

    rate: float

    def __post_init__(self) -> None:
        check_rate("DropPath", self.rate)

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`drop_path` of x."""
        return dropped(drop_path, x, self.rate, key, train), state


@dataclasses.dataclass(frozen=True, repr=False)
class SpatialDropout(Layer):
    """`funcnn.ops.spatial_dropout` in training, else the identity: whole channels.

    Shapes: (batch, *spatial, channels). `rate` is the share that is dropped, 0 to 1.
    """

    rate: float

    def __post_init__(self) -> None:
        check_rate("SpatialDropout", self.rate)

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`spatial_dropout` of x."""
        return dropped(spatial_dropout, x, self.rate, key, train), state


def check_rate(name: str, rate: float) -> None:
    """Raises `LayerError` unless `rate` is a share."""
    if not 0 <= rate <= 1:
        raise LayerError(f"rate must be from 0 to 1, got {rate}", name)


def dropped(
    op: Callable[[jax.Array, jax.Array, float], jax.Array],
    x: jax.Array,
    rate: float,
    key: jax.Array | None,
    train: bool,
) -> jax.Array:
    """`op` of x in training."""
    if not train or rate == 0:
        return x
    if key is None:
        raise MissingKeyError("train=True needs a key to draw the mask, got None")
    return op(x, key, rate)
