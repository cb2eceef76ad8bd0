"""Triplet loss: the positive nearer to the anchor than the negative, by a margin."""

import math
import operator

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import one_shape
from funcnn.ops._squares import length
from funcnn.rules import rule


def triplet_margin_loss(
    anchors: jax.Array,
    positives: jax.Array,
    negatives: jax.Array,
    *,
    margin: float = 1.0,
    eps: float = 1e-6,
) -> jax.Array:
    """max(0, D(a - p) - D(a - n) + margin) with D(u) = sqrt(|u|^2 + eps).

    Shapes: three arrays (..., n) -> (...).
    Dtypes: the arguments' common float dtype; computed in float32 or wider, and for
            differences whose squares are not in its range too.
    Units:  those of the arguments, as `margin`; `eps` has their square.
    Errors: ShapeError unless all have one shape of one or more axes, for nothing is
            broadcast; ValueError unless `eps` is positive.

    Gradient. dD/du = u / D. With u = a - p and v = a - n, where the loss is positive
        da = g (u / D(u) - v / D(v)),    dp = -g u / D(u),    dn = g v / D(v),
    elsewhere all 0.
    Saved: da / g and u / D(u), or 0 where the loss is 0: nothing larger than 2, so
    that half precision holds it, and no small difference of two rounded numbers.
    Kinks: where the loss is just 0 the slope is 0; at u = 0 it is 0, for eps > 0
    rounds the tip off.
    Source: Balntas et al. (2016), BMVC. `optax.losses.triplet_margin_loss`, with its
    `norm_degree` of 2; its slope where the loss is just 0 is half as large.
    """
    eps = float(eps)
    if not eps > 0:
        raise ValueError(
            f"triplet_margin_loss: eps must be a positive number, got {eps}"
        )
    arrays = one_shape(
        "triplet_margin_loss",
        anchors=anchors,
        positives=positives,
        negatives=negatives,
    )
    if arrays[0].ndim < 1:
        raise ShapeError("triplet_margin_loss: needs arrays (..., n), got ()")
    return _triplet_margin_loss(*arrays, float(margin), eps)


def _reference(anchors, positives, negatives, margin, eps):
    def distance(other):
        return jnp.sqrt(((anchors - other) ** 2).sum(-1) + eps)

    short = distance(positives) - distance(negatives) + margin
    return jnp.where(short > 0, short, 0)


def _distance(a, other, eps):
    """D(u) and u / D(u) of the difference u."""
    distance = length(a, other, axes=-1, least=math.sqrt(eps), of=operator.sub)
    return distance.value[..., 0], (a - other) / distance.value


def _forward(anchors, positives, negatives, margin, eps):
    a = wide(anchors)
    near, to_near = _distance(a, wide(positives), eps)
    far, to_far = _distance(a, wide(negatives), eps)
    short = near - far + margin
    counts = (short > 0)[..., None]
    slopes = (jnp.where(counts, s, 0) for s in (to_near - to_far, to_near))
    kept = tuple(slope.astype(anchors.dtype) for slope in slopes)
    return jnp.where(short > 0, short, 0).astype(anchors.dtype), kept


def _backward(margin, eps, saved, g):
    (of_anchor, to_near), g = map(wide, saved), wide(g)[..., None]
    return g * of_anchor, -g * to_near, g * (to_near - of_anchor)


def _cases(normal):
    for shape, eps in [((5,), 2**-20), ((2, 2, 3), 0.125), ((0, 3), 2**-20)]:
        yield normal(*shape), normal(*shape), normal(*shape), 1.0, eps
    a, p, n = jnp.array([[[0.1], [2.0]], [[1.3], [1.0]], [[-0.6], [3.5]]])
    yield a, p, n, 1.0, 0.25
    yield a, p, n, 1.0, 2.0**-70  # of which some squares could have lost terms
    a, n = normal(4, 3), normal(4, 3)
    yield a, a + 0.1 * normal(4, 3), n, 0.125, 0.25  # mostly without loss
    yield a, a, a, 0.5, 0.125
    yield a, n, n, 0.0, 0.125  # at the kink


_triplet_margin_loss = rule(
    _reference, _forward, _backward, static=["margin", "eps"], cases=_cases
)
