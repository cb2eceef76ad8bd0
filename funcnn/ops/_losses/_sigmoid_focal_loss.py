"""Focal loss: cross-entropy in which easy examples count little."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import with_labels
from funcnn.rules import rule


def sigmoid_focal_loss(
    logits: jax.Array,
    labels: jax.Array,
    *,
    alpha: float | None = None,
    gamma: float = 2.0,
) -> jax.Array:
    """A C w^gamma: cross-entropy C, w the probability of being wrong; elementwise.

    With logits x, labels y and s the logistic function,
        C = -y log s(x) - (1 - y) log s(-x),    w = y s(-x) + (1 - y) s(x),
    and A = alpha y + (1 - alpha) (1 - y), or 1 without `alpha`.

    Shapes: two arrays of one shape -> the same.
    Dtypes: the arguments' common float dtype (integer labels are cast to that of
            the logits); computed in float32 or wider.
    Units:  nats. Labels are probabilities, 0 to 1; `alpha` and `gamma` are numbers
            and are not differentiated.
    Errors: ShapeError unless both have one shape, for nothing is broadcast;
            ValueError for a negative `gamma`.

    Gradient. Let a = |x|, t = exp(-a), and v = 1 - y for x >= 0, else y: the label of
    the side that x is against. Then, with u = v + (1 - v) t,
        C = log(1 + t) + v a,    w = u / (1 + t),
        dC/da = (v - (1 - v) t) / (1 + t),    dw/da = w (2 v - 1) t / ((1 + t) u),
        dC/dv = a,    dw/dv = w (1 - t) / u,
    and dF = A w^gamma (dC + gamma C dw / w), so that nothing of them is a difference
    of large numbers: w and C keep their digits for sure answers. dx is g sign(x) dF/da
    and dy is -g sign(x) dF/dv + g A'(y) C w^gamma, where the sign of 0 is 1.
    Saved: logits and labels.
    Kinks: none.
    Source: Lin et al. (2017), arXiv:1708.02002. `optax.losses.sigmoid_focal_loss`
    broadcasts.
    """
    logits, labels = with_labels("sigmoid_focal_loss", logits=logits, labels=labels)
    gamma = float(gamma)
    if not gamma >= 0:
        raise ValueError(f"sigmoid_focal_loss: gamma must not be negative, got {gamma}")
    alpha = None if alpha is None else float(alpha)
    return _sigmoid_focal_loss(logits, labels, alpha, gamma)


def _weight(labels, alpha):
    return 1 if alpha is None else alpha * labels + (1 - alpha) * (1 - labels)


def _reference(logits, labels, alpha, gamma):
    negative = jnp.where(logits < 0, -logits, 0)
    minus_log_sigmoid = negative + jnp.log1p(jnp.exp(-logits - 2 * negative))
    cost = minus_log_sigmoid + (1 - labels) * logits
    wrong = labels * lax.logistic(-logits) + (1 - labels) * lax.logistic(logits)
    return _weight(labels, alpha) * cost * wrong**gamma


def _parts(x, labels, gamma):
    """The docstring's a, t, v, u, C and w^gamma."""
    v = jnp.where(x >= 0, 1 - labels, labels)
    a = jnp.where(x >= 0, x, -x)
    # Beyond it t would be 0, and C / u and log u without meaning for v = 0.
    inside = jnp.minimum(a, -0.9 * math.log(jnp.finfo(x.dtype).tiny))
    t = jnp.exp(-inside)
    u = v + (1 - v) * t
    beyond = jnp.where(v == 0, a - inside, 0)
    log_wrong = jnp.log(u) - beyond - jnp.log1p(t)
    cost = (jnp.log1p(t) * jnp.exp(-beyond)) + v * a
    return a, t, v, u, cost, jnp.exp(gamma * log_wrong)


def _forward(logits, labels, alpha, gamma):
    x, y = wide(logits), wide(labels)
    _, _, _, _, cost, focus = _parts(x, y, gamma)
    loss = _weight(y, alpha) * cost * focus
    return loss.astype(logits.dtype), (logits, labels)


def _backward(alpha, gamma, saved, g):
    (x, y), g = map(wide, saved), wide(g)
    a, t, v, u, cost, focus = _parts(x, y, gamma)
    by_a = (v - (1 - v) * t + gamma * cost * (2 * v - 1) * t / u) / (1 + t)
    by_v = a + gamma * cost * (1 - t) / u
    scale = g * jnp.where(x >= 0, 1, -1) * focus * _weight(y, alpha)
    dlabels = -scale * by_v
    if alpha is not None:
        dlabels += g * (2 * alpha - 1) * cost * focus
    return scale * by_a, dlabels


def _cases(normal):
    yield normal(), lax.logistic(normal()), None, 2.0
    yield normal(3, 5), lax.logistic(normal(3, 5)), 0.25, 1.5
    yield normal(3, 2), jnp.array([[0.0, 1.0]] * 3), 0.625, 0.5
    yield normal(0, 2), normal(0, 2), None, 2.0
    y = jnp.array([0.0, 1.0, 0.3, 1.0, 0.0, 0.0])
    yield jnp.array([0.0, 0.0, 0.0, 10.0, -10.0, 10.0]), y, None, 2.0
    yield jnp.array([0.5, -0.5]), jnp.array([1.0, 0.2]), 0.25, 0.0


_sigmoid_focal_loss = rule(
    _reference, _forward, _backward, static=["alpha", "gamma"], cases=_cases
)
