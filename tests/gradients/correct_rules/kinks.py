"""Slopes at kinks: any convention between the one-sided slopes is right."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .example import Example, array, normal, replaced, reverse_rule


def relu_with_slope_at_zero(slope):
    def primal(x):
        return jnp.maximum(x, 0)

    def bwd(x, g):
        return (g * jnp.where(x == 0, slope, (x > 0).astype(x.dtype)),)

    return reverse_rule(primal, lambda x: (primal(x), x), bwd)


@jax.custom_jvp
def relu_forward(x):
    return jnp.where(x > 0, x, 0)


relu_forward.defjvps(lambda t, y, x: jnp.where(y > 0, t, 0))


def absolute_with_slope_at_zero(slope):
    op = jax.custom_jvp(lambda x: jnp.abs(x))
    op.defjvps(lambda t, y, x: t * jnp.where(x == 0, slope, jnp.sign(x)))
    return op


def largest(x):
    return x.max(-1)


def _first_of_ties(x, g):
    first = jax.nn.one_hot(x.argmax(-1), x.shape[-1], dtype=x.dtype)
    return (g[..., None] * first,)


def _split_among_ties(x, g):
    ties = (x == x.max(-1, keepdims=True)).astype(x.dtype)
    return (g[..., None] * ties / ties.sum(-1, keepdims=True),)


largest_first = reverse_rule(largest, lambda x: (largest(x), x), _first_of_ties)
largest_split = reverse_rule(largest, lambda x: (largest(x), x), _split_among_ties)

larger_second = reverse_rule(
    jnp.maximum,
    lambda x, y: (jnp.maximum(x, y), x > y),
    lambda first, g: (jnp.where(first, g, 0), jnp.where(first, 0, g)),
)


def _sort_fwd(x):
    order = jnp.argsort(x, stable=True)
    return x[order], order


def _sort_bwd(order, g):
    return (jnp.zeros_like(g).at[order].set(g),)


ascending = reverse_rule(lambda x: jnp.sort(x), _sort_fwd, _sort_bwd)


def _clip(x, low, high):
    return jnp.minimum(jnp.maximum(x, low), high)


def _clip_bwd(saved, g):
    x, low, high = saved
    above = jnp.maximum(x, low) > high  # on a bound, the entry passes
    below = (x < low) & ~above
    passed = jnp.where(below | above, 0, g)
    return passed, jnp.where(below, g, 0).sum(), jnp.where(above, g, 0).sum()


clip_inclusive = reverse_rule(_clip, lambda *a: (_clip(*a), a), _clip_bwd)


def _clip_open_bwd(saved, g):
    x, low, high = saved
    above = jnp.maximum(x, low) >= high  # on a bound, the bound takes all
    below = (x <= low) & ~above
    passed = jnp.where(below | above, 0, g)
    return passed, jnp.where(below, g, 0).sum(), jnp.where(above, g, 0).sum()


clip_exclusive = reverse_rule(_clip, lambda *a: (_clip(*a), a), _clip_open_bwd)


def _hinge(score, sign):
    return jnp.maximum(0, 1 - sign * score)


def _hinge_bwd(saved, g):
    score, sign = saved
    active = sign * score <= 1  # a margin of exactly 1 still counts
    return jnp.where(active, -sign * g, 0), jnp.where(active, -score * g, 0)


hinge = reverse_rule(_hinge, lambda *a: (_hinge(*a), a), _hinge_bwd)


def _top_two_fwd(x):
    values, ids = lax.top_k(x, 2)
    return (values, ids), (ids, x)


def _top_two_bwd(saved, g):
    ids, x = saved
    values_g, _ = g  # that of the ids is float0
    rows = jnp.arange(x.shape[0])[:, None]
    return (jnp.zeros_like(x).at[rows, ids].add(values_g),)


top_two = reverse_rule(lambda x: tuple(lax.top_k(x, 2)), _top_two_fwd, _top_two_bwd)


def _pairs_max(x):
    return x.reshape(*x.shape[:-1], -1, 2).max(-1)


def _pairs_max_bwd(x, g):
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    last = pairs[..., 1] >= pairs[..., 0]
    parts = jnp.where(last, 0, g), jnp.where(last, g, 0)
    return (jnp.stack(parts, -1).reshape(x.shape),)


pairs_max = reverse_rule(_pairs_max, lambda x: (_pairs_max(x), x), _pairs_max_bwd)


def _pinball(error, level):
    return jnp.where(error >= 0, level * error, (level - 1) * error)


def _pinball_bwd(saved, g):
    error, level = saved
    # the middle of the two slopes where the error is exactly zero
    slope = jnp.where(error == 0, level - 0.5, level - (error < 0))
    return g * slope, (g * error).sum()


pinball = reverse_rule(_pinball, lambda *a: (_pinball(*a), a), _pinball_bwd)


@jax.custom_jvp
def soft_threshold(x, width):
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - width, 0)


@soft_threshold.defjvp
def _soft_threshold_jvp(primals, tangents):
    x, width = primals
    dx, dwidth = tangents
    tangent = jnp.where(jnp.abs(x) > width, dx - jnp.sign(x) * dwidth, 0)
    return soft_threshold(x, width), tangent


def _median(x):
    return jnp.median(x)


def _median_bwd(x, g):
    order = jnp.argsort(x)
    n = x.shape[0]
    middle = order[jnp.array([(n - 1) // 2, n // 2])]
    return (jnp.zeros_like(x).at[middle].add(g / 2),)


median = reverse_rule(_median, lambda x: (_median(x), x), _median_bwd)


def _leaky(x, slope):
    return jnp.where(x > 0, x, slope * x)


def _leaky_bwd(saved, g):
    x, slope = saved
    below = jnp.where(x > 0, 0, g)
    return jnp.where(x >= 0, g, slope * g), (below * x).sum(0)


learned_leaky = reverse_rule(_leaky, lambda *a: (_leaky(*a), a), _leaky_bwd)

SIGNED = array(-2.0, -0.0, 0.0, 0.0, 1e-3, 3.0)
TIES = array([1.0, 2.0, 2.0], [0.0, 0.0, 0.0], [3.0, -1.0, 3.0])

EXAMPLES = (
    Example(
        "relu, slope 1 at 0",
        relu_with_slope_at_zero(1),
        (SIGNED,),
        "jax.nn.relu has 0 there, and real inputs lie on the kink",
    ),
    Example(
        "relu, slope 1/2 at 0",
        relu_with_slope_at_zero(0.5),
        (SIGNED,),
        "the symmetric convention agrees with central differences, not with autodiff",
    ),
    Example(
        "relu of zeros alone",
        relu_forward,
        (array(*np.zeros((2, 3))),),
        "every entry is a kink: no smooth point among the real inputs",
    ),
    Example(
        "abs, slope 0 at 0",
        absolute_with_slope_at_zero(0),
        (SIGNED,),
        "lax.abs may take another slope at zero",
    ),
    Example(
        "abs, slope 1 at 0",
        absolute_with_slope_at_zero(1),
        (SIGNED,),
        "a one-sided slope is a legal choice, at -0.0 too",
    ),
    Example(
        "max, all to the first of ties",
        largest_first,
        (TIES,),
        "jnp.max splits among ties, argmax takes the first",
    ),
    Example(
        "max, split among ties",
        largest_split,
        (TIES,),
        "a row of equal entries gives each a third",
    ),
    Example(
        "maximum, ties to the second",
        larger_second,
        (array(1.0, 2.0, 3.0), array(1.0, 0.0, 3.0)),
        "autodiff halves a tie between two arguments",
    ),
    Example(
        "sort with ties",
        ascending,
        (array(2.0, 1.0, 2.0, 1.0, -1.0),),
        "which of equal entries is which is free",
    ),
    Example(
        "clip, bounds pass",
        clip_inclusive,
        (array(-2.0, -1.0, 0.5, 1.0, 4.0), jnp.float32(-1), jnp.float32(1)),
        "entries on the bounds, which are arguments too and share the slope",
    ),
    Example(
        "clip, bounds stop",
        clip_exclusive,
        (array(-2.0, -1.0, 0.5, 1.0, 4.0), jnp.float32(-1), jnp.float32(1)),
        "the opposite convention of the same function",
    ),
    Example(
        "hinge at its margin",
        hinge,
        (array(1.0, -1.0, 0.5, 2.0, -3.0), array(1.0, -1.0, 1.0, 1.0, -1.0)),
        "margins of exactly 1, in two arguments that are multiplied",
    ),
    Example(
        "top-k with ties",
        top_two,
        (array([1.0, 2.0, 2.0], [0.0, 3.0, 0.0]),),
        "an integer output beside the values, and ties at the k-th place",
    ),
    Example(
        "max pooling, ties to the last",
        pairs_max,
        (array([0.0, 0.0, 1.0, 1.0, 2.0, 1.0], [0.0, 3.0, 3.0, 0.0, -1.0, -1.0]),),
        "after a relu most windows are ties of zeros",
    ),
    Example(
        "pinball loss at zero error",
        pinball,
        (array(0.0, 1.0, -1.0, 0.0), jnp.float32(0.9)),
        "the slope at the kink is neither of the one-sided slopes",
    ),
    Example(
        "soft threshold on its edges",
        soft_threshold,
        (array(-1.0, -0.5, 0.0, 0.5, 2.0), jnp.float32(0.5)),
        "kinks in the input and in the threshold at the same points",
    ),
    Example(
        "median of an even number",
        median,
        (array(3.0, 1.0, 2.0, 2.0, 5.0, 0.0),),
        "the two middle entries tie",
    ),
    Example(
        "learned leaky relu",
        learned_leaky,
        (replaced(normal(1, 3, 4), 0, 0), array(0.1, 0.2, 0.0, 1.0)),
        "a slope of 1 at zero, and a broadcast argument without a kink",
    ),
)
