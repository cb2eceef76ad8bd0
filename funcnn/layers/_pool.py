"""Pooling layers."""

import dataclasses
from collections.abc import Sequence

import jax

from funcnn.layers._conv import hashable
from funcnn.layers._function import FunctionLayer
from funcnn.ops import (
    adaptive_avg_pool,
    adaptive_max_pool,
    avg_pool,
    global_avg_pool,
    global_max_pool,
    max_pool,
    min_pool,
    power_mean_pool,
)
from funcnn.ops._convolution._windows import Padding


@dataclasses.dataclass(frozen=True, repr=False)
class _Windows(FunctionLayer):
    """What the pools over windows share."""

    window: int | Sequence[int]
    stride: int | Sequence[int] | None = None
    padding: Padding = "VALID"

    def __post_init__(self) -> None:
        hashable(self, "window", "stride", "padding")


@dataclasses.dataclass(frozen=True, repr=False)
class MaxPool(_Windows):
    """`funcnn.ops.max_pool`: (batch, *spatial, c) -> (batch, *output, c)."""

    def output(self, x: jax.Array) -> jax.Array:
        """`max_pool` of x."""
        return max_pool(x, self.window, stride=self.stride, padding=self.padding)


@dataclasses.dataclass(frozen=True, repr=False)
class MinPool(_Windows):
    """`funcnn.ops.min_pool`: (batch, *spatial, c) -> (batch, *output, c)."""

    def output(self, x: jax.Array) -> jax.Array:
        """`min_pool` of x."""
        return min_pool(x, self.window, stride=self.stride, padding=self.padding)


@dataclasses.dataclass(frozen=True, repr=False)
class AvgPool(_Windows):
    """`funcnn.ops.avg_pool`: (batch, *spatial, c) -> (batch, *output, c)."""

    count_include_pad: bool = True

    def output(self, x: jax.Array) -> jax.Array:
        """`avg_pool` of x."""
        return avg_pool(
            x,
            self.window,
            stride=self.stride,
            padding=self.padding,
            count_include_pad=self.count_include_pad,
        )


@dataclasses.dataclass(frozen=True, repr=False)
class PowerMeanPool(_Windows):
    """`funcnn.ops.power_mean_pool`: (batch, *spatial, c) -> (batch, *output, c)."""

    p: float = 2.0

    def output(self, x: jax.Array) -> jax.Array:
        """`power_mean_pool` of x."""
        return power_mean_pool(
            x, self.window, self.p, stride=self.stride, padding=self.padding
        )


@dataclasses.dataclass(frozen=True, repr=False)
class GlobalMaxPool(FunctionLayer):
    """`funcnn.ops.global_max_pool`: (batch, *spatial, c) -> (batch, c)."""

    def output(self, x: jax.Array) -> jax.Array:
        """`global_max_pool` of x."""
        return global_max_pool(x)


@dataclasses.dataclass(frozen=True, repr=False)
class GlobalAvgPool(FunctionLayer):
    """`funcnn.ops.global_avg_pool`: (batch, *spatial, c) -> (batch, c)."""

    def output(self, x: jax.Array) -> jax.Array:
        """`global_avg_pool` of x."""
        return global_avg_pool(x)


@dataclasses.dataclass(frozen=True, repr=False)
class AdaptiveMaxPool(FunctionLayer):
    """`funcnn.ops.adaptive_max_pool`: (batch, *spatial, c) -> (batch, *size, c)."""

    size: int | Sequence[int]

    def __post_init__(self) -> None:
        hashable(self, "size")

    def output(self, x: jax.Array) -> jax.Array:
        """`adaptive_max_pool` of x."""
        return adaptive_max_pool(x, self.size)


@dataclasses.dataclass(frozen=True, repr=False)
class AdaptiveAvgPool(FunctionLayer):
    """`funcnn.ops.adaptive_avg_pool`: (batch, *spatial, c) -> (batch, *size, c)."""

    size: int | Sequence[int]

    def __post_init__(self) -> None:
        hashable(self, "size")

    def output(self, x: jax.Array) -> jax.Array:
        """`adaptive_avg_pool` of x."""
        return adaptive_avg_pool(x, self.size)
