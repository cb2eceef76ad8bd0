"""Logarithm of a sum of exponentials."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import axes_of, floats, wide
from funcnn.ops._probabilities._shares import mask_for, rest_of
from funcnn.ops._probabilities._softmax import cases
from funcnn.rules import rule


def logsumexp(
    x: jax.Array,
    axis: int | Sequence[int] | None = None,
    *,
    keepdims: bool = False,
    where: jax.Array | None = None,
) -> jax.Array:
    """The logarithm of sum_j exp(x_j) over `axis`, by default over all axes.

    Shapes: x of any shape, where of one that broadcasts to it -> x's without the
            axes, or with size 1 there if `keepdims`.
    Dtypes: any float; computed in float32 or wider; where of booleans.
    Units:  nats.
    Errors: TypeError unless the dtypes are these; ValueError for an axis that x does
            not have; ShapeError for a mask that does not fit.

    Gradient. With z = log sum_j exp(x_j), dz/dx_j = exp(x_j - z), the softmax:
        dx_j = g exp(x_j) / sum_i exp(x_i).
    Saved: x, where and, except of half precision, each row's sum less 1. The softmax
    is made again: with a saved z it would lose the digits that z has before the point.
    Kinks: none. Of nothing, which is a row of -inf or one that is masked, the value
    is -inf and the gradient 0. With entries of +inf it is +inf, and these share g.
    Source: as jax.nn.logsumexp, whose gradient at the infinities is NaN.
    """
    (x,) = floats("logsumexp", x=x)
    axes = axes_of("logsumexp", x, axis)
    y = _logsumexp(x, mask_for("logsumexp", x, where), axes)
    return y if keepdims else y.squeeze(axes)


def _reference(x, where, axes):
    if where is not None:
        x = jnp.where(where, x, -jnp.inf)
    top = lax.stop_gradient(x.max(axes, keepdims=True, initial=-jnp.inf))
    return top + jnp.log(jnp.exp(x - top).sum(axes, keepdims=True))


def _exponentials(x, where, axes):
    """The largest entry of each row, and exp(x less that), 0 where all are -inf.

    Infinities count as the largest number in the differences: inf less inf is 0.
    """
    x = wide(x) if where is None else jnp.where(where, wide(x), -jnp.inf)
    bound = float(jnp.finfo(x.dtype).max)
    top = lax.stop_gradient(x.max(axes, keepdims=True, initial=-bound))
    return top, jnp.exp(jnp.minimum(x, bound) - jnp.minimum(top, bound))


def _forward(x, where, axes):
    top, e = _exponentials(x, where, axes)
    rest = rest_of(e, axes)
    y = (top + jnp.log1p(rest)).astype(x.dtype)
    return y, (x, where, rest if rest.dtype == x.dtype else None)


def _backward(axes, saved, g):
    x, where, rest = saved
    _, e = _exponentials(x, where, axes)
    rest = rest_of(e, axes) if rest is None else rest
    return e * (wide(g) / jnp.where(rest == -1, 1, 1 + rest)), None


def _cases(normal):
    for x, where, axes in cases(normal):
        if where is not None and where.ndim == 2:
            x, where = x[:2], where[:2]  # the others are of nothing: -inf
        yield x, where, axes
    yield normal(), None, ()


_logsumexp = rule(_reference, _forward, _backward, static="axes", cases=_cases)
