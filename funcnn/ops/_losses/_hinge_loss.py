"""Hinge losses of a score and a target of -1 or 1: one derivation for both."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import with_labels
from funcnn.rules import rule


def hinge_loss(predictor_outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """max(0, 1 - x t), elementwise and unreduced: x the scores, t the targets.

    Shapes: two arrays of one shape -> the same.
    Dtypes: the arguments' common float dtype (integer targets are cast to that of
            the scores); half precision is computed in float32.
    Units:  none. The targets are -1 or 1, which is not checked.
    Errors: ShapeError unless both have one shape, for nothing is broadcast.

    Gradient. Where the loss is positive, dx = -g t and dt = -g x; elsewhere both 0.
    Saved: scores and targets.
    Kinks: at x t = 1 the value is 0 and the slope 0.
    Source: Cortes & Vapnik (1995), Machine Learning 20. The slope of
    `optax.losses.hinge_loss` at the kink is half of -t.
    """
    scores, targets = with_labels(
        "hinge_loss", predictor_outputs=predictor_outputs, targets=targets
    )
    return _hinge(scores, targets, 1.0)


def perceptron_loss(predictor_outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """max(0, -x t): `hinge_loss` without a margin, elementwise and unreduced.

    Shapes, Dtypes, Units and Errors: as `hinge_loss`.

    Gradient. Where the loss is positive, dx = -g t and dt = -g x; elsewhere both 0.
    Saved: scores and targets.
    Kinks: at x t = 0 the value is 0 and the slope 0.
    Source: Rosenblatt (1958), Psychological Review 65.
    """
    scores, targets = with_labels(
        "perceptron_loss", predictor_outputs=predictor_outputs, targets=targets
    )
    return _hinge(scores, targets, 0.0)


def _reference(scores, targets, margin):
    short = margin - scores * targets
    return jnp.where(short > 0, short, 0)


def _forward(scores, targets, margin):
    loss = _reference(wide(scores), wide(targets), margin)
    return loss.astype(scores.dtype), (scores, targets)


def _backward(margin, saved, g):
    x, t = map(wide, saved)
    minus_g = jnp.where(margin - x * t > 0, -wide(g), 0)
    return minus_g * t, minus_g * x


def _cases(normal):
    yield normal(), jnp.array(1.0), 1.0
    for shape in [(3, 5), (0, 2)]:
        yield normal(*shape), jnp.sign(normal(*shape)), 1.0
    t = jnp.array([1.0, -1.0, 1.0, -1.0, 1.0])
    x = jnp.array([1.0, -1.0, 30.0, 30.0, 0.0])  # two at the kink
    yield x, t, 1.0
    yield x, t, 0.0


_hinge = rule(
    _reference, _forward, _backward, static="margin", cases=_cases, name="hinge_loss"
)
