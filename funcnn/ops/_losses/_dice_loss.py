"""Dice loss of segmentations, with Tversky's weights."""

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import apart, wide
from funcnn.ops._losses._pairs import with_labels
from funcnn.ops._pointwise import sigmoid
from funcnn.ops._probabilities._softmax import softmax
from funcnn.rules import rule


def dice_loss(
    predictions: jax.Array,
    targets: jax.Array,
    *,
    smooth: float = 1.0,
    alpha: float = 0.5,
    beta: float = 0.5,
    apply_softmax: bool = True,
) -> jax.Array:
    """One minus the overlap of prediction and target, as a share; a mean over classes.

    For each example and class, over its places with probabilities p and targets t,
        I = sum p t,  F = sum p (1 - t),  M = sum t (1 - p),
        loss = 1 - (I + smooth) / (I + alpha F + beta M + smooth):
    I is found, F falsely, M is missed. alpha = beta = 1/2 is the Dice coefficient.

    Shapes: two arrays (batch, *spatial, classes) with one or more spatial axes
            -> (batch,).
    Dtypes: the arguments' common float dtype (integer targets are cast to that of the
            predictions); sums in float32 or wider.
    Units:  none. Targets are 0 or 1, or shares. `predictions` are logits, of which
            `softmax` over the classes is taken, or for one class `sigmoid`; with
            `apply_softmax` False they are probabilities.
    Errors: ShapeError unless the shapes fit, for nothing is broadcast; ValueError
            unless `smooth` is positive.

    Gradient. With N = alpha F + beta M and D = I + N + smooth the loss is N / D, and
    dN/dp = alpha (1 - t) - beta t, dD/dp = t + dN/dp, so for each of n classes, with
    a = g (I + smooth) / (n D^2) and b = g N / (n D^2),
        dp = alpha a (1 - t) - (beta a + b) t,
        dt = beta a (1 - p) - (alpha a + b) p.
    Logits have this through the rule of `softmax` or `sigmoid`.
    Saved: probabilities and targets, and I and N.
    Kinks: none.
    Source: Milletari, Navab & Ahmadi (2016), arXiv:1606.04797; Salehi et al. (2017),
    arXiv:1706.05721. `optax.losses.dice_loss` has more options.
    """
    p, t = with_labels("dice_loss", predictions=predictions, targets=targets)
    if p.ndim < 3:
        raise ShapeError(
            f"dice_loss: needs arrays (batch, *spatial, classes), got {p.shape}"
        )
    if not float(smooth) > 0:
        raise ValueError(f"dice_loss: smooth must be positive, got {smooth}")
    if apply_softmax:
        p = sigmoid(p) if p.shape[-1] == 1 else softmax(p)
    return _dice_loss(p, t, float(smooth), float(alpha), float(beta))


def _places(p):
    return tuple(range(1, p.ndim - 1))


def _reference(probabilities, targets, smooth, alpha, beta):
    p, t, places = probabilities, targets, _places(probabilities)
    found, predicted, true = (x.sum(places) for x in (p * t, p, t))
    wrong = alpha * (predicted - found) + beta * (true - found)
    return (1 - (found + smooth) / (found + wrong + smooth)).mean(-1)


def _found_and_wrong(p, t, alpha, beta):
    """I and N of the docstring."""
    if alpha == beta:  # a factor less in the sum
        wrong = alpha * _over_places(p * (1 - t) + t * (1 - p))
    else:
        wrong = _over_places(alpha * p * (1 - t) + beta * t * (1 - p))
    return _over_places(p * t), wrong


def _over_places(x):
    return x.sum(_places(x), keepdims=True)


def _forward(probabilities, targets, smooth, alpha, beta):
    p, t = wide(probabilities), wide(targets)
    found, wrong = _found_and_wrong(p, t, alpha, beta)
    loss = (wrong / (found + wrong + smooth)).mean((*_places(p), -1))
    return loss.astype(probabilities.dtype), (probabilities, targets, found, wrong)


def _backward(smooth, alpha, beta, saved, g):
    p, t, found, wrong = map(wide, saved)
    g = wide(g).reshape(-1, *[1] * (p.ndim - 1))
    scale = g / p.shape[-1] / jnp.square(found + wrong + smooth)
    a, b = scale * (found + smooth), scale * wrong
    dp = alpha * a * (1 - t) - (beta * a + b) * t
    dt = beta * a * (1 - p) - (alpha * a + b) * p
    return apart(dp), dt


def _cases(normal):
    def pair(*shape):
        return jax.nn.softmax(normal(*shape)), jax.nn.softmax(normal(*shape))

    yield *pair(2, 3, 2), 1.0, 0.5, 0.5
    yield *pair(2, 2, 2, 3), 0.125, 0.25, 0.75
    yield *pair(0, 2, 2), 1.0, 0.5, 0.5
    yield *pair(2, 1, 1), 1.0, 0.5, 0.5
    t = jnp.array([[[1.0], [0.0], [1.0]], [[0.0], [0.0], [0.0]]])
    yield t, t, 0.5, 0.5, 0.25  # all right
    yield 1 - t, t, 0.5, 0.5, 0.25  # all wrong


_dice_loss = rule(
    _reference, _forward, _backward, static=["smooth", "alpha", "beta"], cases=_cases
)
