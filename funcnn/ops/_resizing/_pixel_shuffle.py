"""Channels that become places, and back."""

import math

import jax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats
from funcnn.ops._convolution._windows import per_axis, spatial_axes
from funcnn.rules import rule


def pixel_shuffle(x: jax.Array, factor: int) -> jax.Array:
    """Lays the channels of each place out as a block, `factor` long along each axis.

    Shapes: x (batch, *spatial, c * factor^d) with d = 1 to 3 spatial axes
            -> (batch, *(factor * spatial), c). The channel k factor^d + j of x becomes
            channel k of the block's place j, counted in row-major order.
    Dtypes: any float.
    Errors: ShapeError when x has other axes, or channels that factor^d does not
            divide; ValueError unless `factor` is a positive whole number.

    Gradient. It is a permutation P of the entries, y = P x, so dx = P^T g = P^(-1) g,
    which is `pixel_unshuffle` of g.
    Saved: nothing.
    Kinks: none.
    Source: Shi et al. (2016), arXiv:1609.05158.
    Differs: the order of the channels is PyTorch's; that of `tf.nn.depth_to_space` is
    j c + k.
    """
    (x,) = floats("pixel_shuffle", x=x)
    blocks = _block("pixel_shuffle", x, factor)
    if x.shape[-1] % math.prod(blocks):
        raise ShapeError(
            f"pixel_shuffle: factor {factor} needs x with a multiple of "
            f"{math.prod(blocks)} channels, got {x.shape}"
        )
    return _pixel_shuffle(x, blocks, True)


def pixel_unshuffle(x: jax.Array, factor: int) -> jax.Array:
    """Gathers each block of `factor` places along each axis into channels.

    Shapes: x (batch, *(factor * spatial), c) with d = 1 to 3 spatial axes
            -> (batch, *spatial, c * factor^d), the inverse of `pixel_shuffle`.
    Dtypes: any float.
    Errors: ShapeError when x has other axes, or some that `factor` does not divide;
            ValueError unless `factor` is a positive whole number.

    Gradient. It is a permutation, and dx is its inverse, `pixel_shuffle` of g.
    Saved: nothing.
    Kinks: none.
    """
    (x,) = floats("pixel_unshuffle", x=x)
    blocks = _block("pixel_unshuffle", x, factor)
    if any(n % r for n, r in zip(x.shape[1:-1], blocks)):
        raise ShapeError(
            f"pixel_unshuffle: factor {factor} needs spatial axes that it divides, "
            f"got {x.shape}"
        )
    return _pixel_shuffle(x, blocks, False)


def _block(op, x, factor):
    """The extents of a block."""
    return per_axis(op, spatial_axes(op, x, factor), "factor", factor)


def _reference(x, blocks, apart):
    return _apart(x, blocks) if apart else _together(x, blocks)


def _forward(x, blocks, apart):
    return _reference(x, blocks, apart), ()


def _backward(blocks, apart, saved, g):
    del saved  # linear: the gradient does not depend on x
    return (_reference(g, blocks, not apart),)


def _apart(x, blocks):
    batch, *spatial, c = x.shape
    axes = len(blocks)
    split = x.reshape(batch, *spatial, c // math.prod(blocks), *blocks)
    # each place's part of the block comes behind it, the channels last
    pairs = [axis for k in range(axes) for axis in (1 + k, 2 + axes + k)]
    moved = split.transpose(0, *pairs, 1 + axes)
    larger = [n * r for n, r in zip(spatial, blocks)]
    return moved.reshape(batch, *larger, c // math.prod(blocks))


def _together(x, blocks):
    batch, *spatial, c = x.shape
    axes = len(blocks)
    smaller = [n // r for n, r in zip(spatial, blocks)]
    pairs = [extent for pair in zip(smaller, blocks) for extent in pair]
    split = x.reshape(batch, *pairs, c)
    order = [*range(1, 2 * axes, 2), 1 + 2 * axes, *range(2, 2 * axes + 1, 2)]
    return split.transpose(0, *order).reshape(batch, *smaller, c * math.prod(blocks))


def _cases(normal):
    yield normal(2, 3, 4), (2,), True
    yield normal(1, 2, 3, 12), (2, 2), True
    yield normal(1, 1, 2, 1, 8), (2, 2, 2), True
    yield normal(2, 6, 2), (3,), False
    yield normal(1, 4, 2, 3), (2, 2), False
    yield normal(1, 2, 3, 2), (1, 1), False
    yield normal(0, 2, 2), (2,), True


_pixel_shuffle = rule(
    _reference, _forward, _backward, static=["blocks", "apart"], cases=_cases
)
