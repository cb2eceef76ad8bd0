"""Logarithm of the softmax over one axis or several."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import axes_of, floats, wide
from funcnn.ops._probabilities._shares import exponents, mask_for, rest_of, without_sum
from funcnn.ops._probabilities._softmax import cases
from funcnn.rules import rule


def log_softmax(
    x: jax.Array,
    axis: int | Sequence[int] | None = -1,
    where: jax.Array | None = None,
) -> jax.Array:
    """x_i - log sum_j exp(x_j) over `axis`, of the entries that `where` has True.

    Shapes: x of one or more axes, where of a shape that broadcasts to it -> x's.
    Dtypes: any float; computed in float32 or wider; where of booleans.
    Units:  nats.
    Errors: TypeError unless the dtypes are these; ValueError for an axis that x does
            not have; ShapeError for a mask that does not fit.

    The sum is log(1 + rest) beside its largest term: the logarithm of a probability
    that is nearly 1 has its digits.

    Gradient. With y = log_softmax(x), p = exp(y), dy_i/dx_j = delta_ij - p_j, so
        dx_j = g_j - p_j sum_i g_i.
    As sum_i p_i = 1, any multiple of p may be taken from g before. It is this one,
    p sum_i g_i, so that the sum is made twice: the second is of what the first left,
    and where p_j is nearly 1, dx_j has the digits of the small entries.
    Saved: y and where; of half precision x and where, for a rounded y would make p
    wrong by as much as y has: y is then made again.
    Kinks: none. Masked entries, whatever they are, give -inf, as in jax.nn, and get
    0. An entry of -inf gives -inf; a row of these, and one with +inf, gives NaN.
    """
    (x,) = floats("log_softmax", x=x)
    axes = axes_of("log_softmax", x, axis)
    where = mask_for("log_softmax", x, where)
    y = _log_softmax(x, where, axes)
    # The rule gives 0 there: -inf is no number that a gradient can be checked at.
    return y if where is None else jnp.where(where, y, -jnp.inf)


def _reference(x, where, axes):
    if where is not None:
        x = jnp.where(where, x, -jnp.inf)
    top = x.max(axes, keepdims=True, initial=jnp.finfo(x.dtype).min)
    shifted = x - lax.stop_gradient(top)
    total = jnp.exp(shifted).sum(axes, keepdims=True)
    if where is None:
        return shifted - jnp.log(total)
    return jnp.where(where, shifted - jnp.log(jnp.where(total == 0, 1, total)), 0)


def _log_probabilities(x, where, axes):
    shifted = exponents(x, axes, where)
    y = shifted - jnp.log1p(rest_of(jnp.exp(shifted), axes))
    return y if where is None else jnp.where(where, y, 0)


def _forward(x, where, axes):
    y = _log_probabilities(wide(x), where, axes)
    return y.astype(x.dtype), (y if y.dtype == x.dtype else x, where)


def _backward(axes, saved, g):
    y, where = saved
    if wide(y).dtype != y.dtype:
        y = _log_probabilities(wide(y), where, axes)
    p, g = jnp.exp(y), wide(g)
    if where is not None:
        p, g = jnp.where(where, p, 0), jnp.where(where, g, 0)
    return without_sum(g, p, axes), None


_log_softmax = rule(_reference, _forward, _backward, static="axes", cases=cases)
