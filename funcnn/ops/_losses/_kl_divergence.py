"""Kullback-Leibler divergence of distributions over the last axis."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import one_shape
from funcnn.rules import rule


def kl_divergence(log_predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """sum_k p_k (log p_k - x_k): p the targets, x the log-predictions.

    Shapes: two arrays (..., n) -> (...).
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  nats.
    Errors: ShapeError unless both have one shape, for nothing is broadcast.

    Gradient. dx_k = -g p_k and dp_k = g (log p_k - x_k + 1), the entries being
    independent: that they sum to 1 is not used.
    Saved: log-predictions and targets.
    Kinks: p_k = 0 costs nothing, whatever x_k (0 log 0 = 0). The slope of p log p,
    which is -inf there, is taken as 0, so dp_k = -g x_k (0 for x_k = -inf); below 0,
    where there is no logarithm, the loss goes on with this slope.
    Source: Kullback & Leibler (1951). The slope by a target of 0 is NaN in
    `optax.losses.kl_divergence`.
    """
    return _kl_divergence(
        *one_shape("kl_divergence", log_predictions=log_predictions, targets=targets)
    )


def kl_divergence_with_log_targets(
    log_predictions: jax.Array, log_targets: jax.Array
) -> jax.Array:
    """sum_k exp(q_k) (q_k - x_k): `kl_divergence` of targets p = exp(q).

    Shapes, Dtypes, Units and Errors: as `kl_divergence`.

    Gradient. dq_k = dp_k p_k, so with p = exp(q)
        dx_k = -g p_k,    dq_k = g p_k (q_k - x_k + 1).
    Saved: log-predictions and log-targets.
    Kinks: none. q_k = -inf costs nothing and has slope 0.
    """
    return _with_log_targets(
        *one_shape(
            "kl_divergence_with_log_targets",
            log_predictions=log_predictions,
            log_targets=log_targets,
        )
    )


def _log(p):
    """Log p, and 0 where p is not positive."""
    return jnp.log(jnp.where(p > 0, p, 1))


def _reference(log_predictions, targets):
    return (targets * (_log(targets) - log_predictions)).sum(-1)


def _excess(x, p):
    """Log p - x, without infinity where p is 0."""
    return _log(p) - jnp.where((p != 0) | (x != -jnp.inf), x, 0)


def _forward(log_predictions, targets):
    x, p = wide(log_predictions), wide(targets)
    loss = (p * _excess(x, p)).sum(-1)
    return loss.astype(targets.dtype), (log_predictions, targets)


def _backward(saved, g):
    (x, p), g = map(wide, saved), wide(g)[..., None]
    return -g * p, g * (_excess(x, p) + jnp.where(p > 0, 1, 0))


def _cases(normal):
    for shape in [(5,), (2, 3, 4), (3, 1), (0, 3)]:
        yield jax.nn.log_softmax(normal(*shape)), jax.nn.softmax(normal(*shape))
    yield normal(2, 3), jnp.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])


def _log_targets_reference(log_predictions, log_targets):
    return (jnp.exp(log_targets) * (log_targets - log_predictions)).sum(-1)


def _log_targets_excess(x, q):
    return jnp.where(q != -jnp.inf, q - x, 0)


def _log_targets_forward(log_predictions, log_targets):
    x, q = wide(log_predictions), wide(log_targets)
    loss = (jnp.exp(q) * _log_targets_excess(x, q)).sum(-1)
    return loss.astype(log_targets.dtype), (log_predictions, log_targets)


def _log_targets_backward(saved, g):
    (x, q), g = map(wide, saved), wide(g)[..., None]
    p = jnp.exp(q)
    return -g * p, g * p * (_log_targets_excess(x, q) + 1)


def _log_targets_cases(normal):
    for shape in [(5,), (2, 3, 4), (3, 1), (0, 3)]:
        yield jax.nn.log_softmax(normal(*shape)), jax.nn.log_softmax(normal(*shape))
    yield jnp.array([[-700.0, -1.0, 0.0]]), jnp.array([[-1.0, -700.0, -30.0]])


_kl_divergence = rule(
    _reference, _forward, _backward, cases=_cases, name="kl_divergence"
)
_with_log_targets = rule(
    _log_targets_reference,
    _log_targets_forward,
    _log_targets_backward,
    cases=_log_targets_cases,
    name="kl_divergence_with_log_targets",
)
