"""Layers that change the extents of images."""

import dataclasses
from collections.abc import Sequence

import jax

from funcnn.layers._conv import hashable
from funcnn.layers._function import FunctionLayer
from funcnn.ops import pixel_shuffle, pixel_unshuffle, resize_bilinear, resize_nearest


@dataclasses.dataclass(frozen=True, repr=False)
class Resize(FunctionLayer):
    """Resizes images: (batch, *spatial, c) -> (batch, *size, c).

    `method` is "bilinear" (`funcnn.ops.resize_bilinear`) or "nearest"
    (`funcnn.ops.resize_nearest`, which has no `antialias`).
    """

    size: int | Sequence[int]
    method: str = "bilinear"
    antialias: bool = True

    def __post_init__(self) -> None:
        if self.method not in ("bilinear", "nearest"):
            raise ValueError(
                f'Resize: method must be "bilinear" or "nearest", got {self.method!r}'
            )
        hashable(self, "size")

    def output(self, x: jax.Array) -> jax.Array:
        """`x` resized."""
        if self.method == "nearest":
            return resize_nearest(x, self.size)
        return resize_bilinear(x, self.size, antialias=self.antialias)


@dataclasses.dataclass(frozen=True, repr=False)
class PixelShuffle(FunctionLayer):
    """`funcnn.ops.pixel_shuffle`: channels become places."""

    factor: int

    def output(self, x: jax.Array) -> jax.Array:
        """`pixel_shuffle` of x."""
        return pixel_shuffle(x, self.factor)


@dataclasses.dataclass(frozen=True, repr=False)
class PixelUnshuffle(FunctionLayer):
    """`funcnn.ops.pixel_unshuffle`: places become channels."""

    factor: int

    def output(self, x: jax.Array) -> jax.Array:
        """`pixel_unshuffle` of x."""
        return pixel_unshuffle(x, self.factor)
