"""Group and instance normalization: statistics of an example's own channels."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._normalization._statistics import check_channels, mean_and_variance
from funcnn.rules import rule


def group_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, groups: int, *, eps: float = 1e-5
) -> jax.Array:
    """Brings each group of channels to mean 0 and variance 1, scales and shifts.

    Shapes: x (batch, ..., c), scale (c,), bias (c,) -> (batch, ..., c): channel
            numbers that follow each other, c / groups of them, are a group. The
            statistics are those of one example, over its group and all other axes.
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  `eps` has those of x squared; the output has those of `bias`.
    Errors: ShapeError unless scale and bias are (c,) and `groups` divides c.

    Gradient. Per example and group, let r = (var + eps)^(-1/2), h = (x - mean) r,
    g = dL/dy, u = g scale and <.> the mean over the group. As for `layer_norm`,
        dx = r (u - <u> - h <u h>).
    Of each example and channel let a = sum g and b = sum g h over the other axes,
    N entries. As scale is the same for all of them, both means are made of these,
        <u> = (mean of scale a over the group's channels) / N,   <u h> of b alike,
        dbias = sum a,   dscale = sum b     over the examples.
    Saved: x, scale and, per example and group, mean and r in float32 or wider.
    Kinks: none for eps > 0; a group of equal values gives `bias`.
    Source: Wu & He (2018), arXiv:1803.08494; biased variance. Flax takes eps = 1e-6.
    """
    groups = int(groups)
    x, scale, bias = floats("group_norm", x=x, scale=scale, bias=bias)
    check_channels("group_norm", x, scale=scale, bias=bias)
    if groups < 1 or x.shape[-1] % groups:
        raise ShapeError(
            f"group_norm: groups must divide the {x.shape[-1]} channels of "
            f"x {x.shape}, got {groups}"
        )
    return _group_norm(x, scale, bias, groups, float(eps))


def instance_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, *, eps: float = 1e-5
) -> jax.Array:
    """Brings each channel of each example to mean 0 and variance 1, scales and shifts.

    Shapes: x (batch, ..., c), scale (c,), bias (c,) -> (batch, ..., c).
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  `eps` has those of x squared; the output has those of `bias`.
    Errors: ShapeError unless scale and bias are (c,).

    Gradient. That of `group_norm` with a group for each channel, whose rule this
    uses: with the mean <.> over all axes but the first and the last,
        dx = scale r (g - <g> - h <g h>),   dscale = sum g h,   dbias = sum g.
    Saved: x, scale and, per example and channel, mean and r in float32 or wider.
    Kinks: none for eps > 0; a channel of equal values gives `bias`, and so does
    every channel where there are no axes but the first and the last.
    Source: Ulyanov, Vedaldi & Lempitsky (2016), arXiv:1607.08022; biased variance.
    Flax takes eps = 1e-6.
    """
    x, scale, bias = floats("instance_norm", x=x, scale=scale, bias=bias)
    check_channels("instance_norm", x, scale=scale, bias=bias)
    return _group_norm(x, scale, bias, max(x.shape[-1], 1), float(eps))


def _reference(x, scale, bias, groups, eps):
    parts = _in_groups(wide(x), groups)
    mean = parts.mean((1, 3), keepdims=True)
    var = ((parts - mean) ** 2).mean((1, 3), keepdims=True)
    h = ((parts - mean) / jnp.sqrt(var + eps)).reshape(x.shape)
    return (h * scale + bias).astype(x.dtype)


def _in_groups(x, groups):
    """(batch, ..., c) as (batch, N, groups, channels of a group)."""
    batch, *others, channels = x.shape
    return x.reshape(batch, math.prod(others), groups, channels // groups)


def _forward(x, scale, bias, groups, eps):
    parts = _in_groups(x, groups)
    mean, var = mean_and_variance(parts, (1, 3))
    r = lax.rsqrt(var + eps)
    h = ((wide(parts) - mean) * r).reshape(x.shape)
    return (h * wide(scale) + wide(bias)).astype(x.dtype), (x, scale, mean, r)


def _backward(groups, eps, saved, g):
    x, scale, mean, r = saved
    parts, g = _in_groups(wide(x), groups), _in_groups(wide(g), groups)
    scale = wide(scale).reshape(g.shape[2:])
    h = (parts - mean) * r
    a, b = g.sum(1, keepdims=True), (g * h).sum(1, keepdims=True)
    count = float(max(g.shape[1], 1))
    mean_u, mean_uh = ((scale * s).mean(3, keepdims=True) / count for s in (a, b))
    dx = r * (g * scale - mean_u - h * mean_uh)
    return dx.reshape(x.shape), b.sum(0).reshape(-1), a.sum(0).reshape(-1)


def _cases(normal):
    for shape, groups in [((2, 3, 4), 2), ((3, 2, 2, 3), 1), ((2, 5, 3), 3)]:
        yield normal(*shape), normal(shape[-1]), normal(shape[-1]), groups, 1e-5
    yield normal(3, 6), normal(6), normal(6), 2, 0.1
    yield normal(3, 1, 2), normal(2), normal(2), 2, 1e-5  # groups of one entry
    yield normal(0, 2, 4), normal(4), normal(4), 2, 1e-5
    yield jnp.full((2, 3, 2), 3.0), normal(2), normal(2), 1, 1e-5  # variance 0


_group_norm = rule(
    _reference, _forward, _backward, static=["groups", "eps"], cases=_cases
)
