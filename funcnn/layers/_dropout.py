"""Layers that drop at random in training, and are the identity otherwise."""

import dataclasses
import functools
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
    axes `broadcast_dims` are dropped together. Inside `jax.shard_map` or `jax.vmap`,
    `axis_name` names the axis, or axes, over which the batch is split: each part has
    its own of the batch's mask, and not all the same one.
    """

    rate: float
    broadcast_dims: Sequence[int] = ()
    axis_name: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_rate("Dropout", self.rate)
        hashable(self, "broadcast_dims", "axis_name")

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
        drop = functools.partial(dropout, broadcast_dims=self.broadcast_dims)
        return dropped(drop, x, self.rate, key, train, self.axis_name), state


@dataclasses.dataclass(frozen=True, repr=False)
class DropPath(Layer):
    """`funcnn.ops.drop_path` in training, else the identity: whole examples.

    As the last layer of what `Residual` adds it is stochastic depth:
    ``Residual(Chain(layer, DropPath(0.1)))``. `rate` is the share that is dropped,
    0 to 1; `axis_name` as that of `Dropout`.
    """

    rate: float
    axis_name: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_rate("DropPath", self.rate)
        hashable(self, "axis_name")

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
        return dropped(drop_path, x, self.rate, key, train, self.axis_name), state


@dataclasses.dataclass(frozen=True, repr=False)
class SpatialDropout(Layer):
    """`funcnn.ops.spatial_dropout` in training, else the identity: whole channels.

    Shapes: (batch, *spatial, channels). `rate` is the share that is dropped, 0 to 1.
    """

    rate: float
    axis_name: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_rate("SpatialDropout", self.rate)
        hashable(self, "axis_name")

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
        return dropped(spatial_dropout, x, self.rate, key, train, self.axis_name), state


def check_rate(name: str, rate: float) -> None:
    """Raises `LayerError` unless `rate` is a share."""
    if not 0 <= rate <= 1:
        raise LayerError(f"rate must be from 0 to 1, got {rate}", name)


def dropped(
    op: Callable[..., jax.Array],
    x: jax.Array,
    rate: float,
    key: jax.Array | None,
    train: bool,
    axis_name: str | Sequence[str] | None,
) -> jax.Array:
    """`op` of x in training, x being a part of the batch along `axis_name`."""
    if not train or rate == 0:
        return x
    if key is None:
        raise MissingKeyError("train=True needs a key to draw the mask, got None")
    part = None if axis_name is None else jax.lax.axis_index(axis_name)
    return op(x, key, rate, part=part)
