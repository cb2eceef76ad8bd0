"""Softmax over one axis or several."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import axes_of, floats, wide
from funcnn.ops._probabilities._shares import centered, exponents, mask_for
from funcnn.ops._products._affine import presence
from funcnn.rules import rule


def softmax(
    x: jax.Array,
    axis: int | Sequence[int] | None = -1,
    where: jax.Array | None = None,
) -> jax.Array:
    """exp(x_i) / sum_j exp(x_j) over `axis`, of the entries that `where` has True.

    Shapes: x of one or more axes, where of a shape that broadcasts to it -> x's.
    Dtypes: any float; computed in float32 or wider; where of booleans.
    Errors: TypeError unless the dtypes are these; ValueError for an axis that x does
            not have; ShapeError for a mask that does not fit.

    Gradient. With y = softmax(x), dy_i/dx_j = y_i (delta_ij - y_j), so
        dx_j = sum_i g_i dy_i/dx_j = y_j (g_j - sum_i g_i y_i).
    As sum_i y_i = 1, any number may be taken from all g before. It is their mean
    sum_i g_i y_i itself, so that the sum is made twice: where y_j is nearly 1, what
    is left is the small difference, with its digits.
    Saved: y.
    Kinks: none. Masked entries, whatever they and their cotangents are, give 0 and
    get 0, so a row of these alone gives zeros; so do entries of -inf with finite
    cotangents, but a row of these, and one with +inf, gives NaN, as in jax.nn.
    Source: Bridle (1990), Neurocomputing, NATO ASI F68.
    """
    (x,) = floats("softmax", x=x)
    axes = axes_of("softmax", x, axis)
    return _softmax(x, mask_for("softmax", x, where), axes)


def probabilities(
    x: jax.Array, axes: tuple[int, ...], where: jax.Array | None = None
) -> jax.Array:
    """The softmax, as plain code for rules to use."""
    e = jnp.exp(exponents(x, axes, where))
    total = e.sum(axes, keepdims=True)
    return e / jnp.where(total == 0, 1, total)  # 0 if all are masked


def probabilities_cotangent(
    y: jax.Array, g: jax.Array, axes: tuple[int, ...]
) -> jax.Array:
    """What y = softmax(x) gives x for g."""
    return y * centered(g, y, axes)


def _reference(x, where, axes):
    if where is not None:
        x = jnp.where(where, x, -jnp.inf)
    top = x.max(axes, keepdims=True, initial=jnp.finfo(x.dtype).min)
    e = jnp.exp(x - lax.stop_gradient(top))
    total = e.sum(axes, keepdims=True)
    return e / jnp.where(total == 0, 1, total)


def _forward(x, where, axes):
    y = probabilities(wide(x), axes, where).astype(x.dtype)
    return y, (y, presence(where))


def _backward(axes, saved, g):
    y, masked = saved
    g = wide(g) if masked is None else jnp.where(y == 0, 0, wide(g))
    return probabilities_cotangent(wide(y), g, axes), None


def cases(normal):
    """Arrays, masks and axes, for each op that gives probabilities by these."""
    for shape in [(5,), (4, 5), (4, 1), (0, 3)]:
        yield normal(*shape), None, (len(shape) - 1,)
    yield normal(2, 3, 4), None, (0, 1)
    yield jnp.array([[700.0, -700.0, 0.0], [50.0, 50.0, -50.0]]), None, (1,)
    mask = jnp.array([[1, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]], bool)
    yield normal(3, 4), mask, (1,)
    yield normal(2, 3, 2), mask[:1, :3, None], (1,)


_softmax = rule(_reference, _forward, _backward, static="axes", cases=cases)
