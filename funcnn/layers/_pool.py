"""Pooling layers."""

import dataclasses
from collections.abc import Sequence

import jax

from funcnn.layers._conv import hashable
from funcnn.layers._layer import Layer, Params, State
from funcnn.ops import avg_pool, max_pool
from funcnn.ops._convolution._windows import Padding


@dataclasses.dataclass(frozen=True, repr=False)
class MaxPool(Layer):
    """`funcnn.ops.max_pool`: (batch, *spatial, c) -> (batch, *output, c)."""

    window: int | Sequence[int]
    stride: int | Sequence[int] | None = None
    padding: Padding = "VALID"

    def __post_init__(self) -> None:
        hashable(self, "window", "stride", "padding")

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`max_pool` of x."""
        y = max_pool(x, self.window, stride=self.stride, padding=self.padding)
        return y, state


@dataclasses.dataclass(frozen=True, repr=False)
class AvgPool(Layer):
    """`funcnn.ops.avg_pool`: (batch, *spatial, c) -> (batch, *output, c)."""

    window: int | Sequence[int]
    stride: int | Sequence[int] | None = None
    padding: Padding = "VALID"

    def __post_init__(self) -> None:
        hashable(self, "window", "stride", "padding")

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`avg_pool` of x."""
        y = avg_pool(x, self.window, stride=self.stride, padding=self.padding)
        return y, state
