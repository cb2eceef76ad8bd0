"""Jensen-Shannon divergence of distributions over the last axis."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import one_shape
from funcnn.ops._platforms import made_again
from funcnn.rules import rule


def jensen_shannon(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """(sum_k p_k log(p_k / m_k) + sum_k q_k log(q_k / m_k)) / 2, m = (p + q) / 2.

    p the predictions, q the targets. It is symmetric, 0 for equal distributions and
    at most log 2, for distributions that have nothing in common.

    Shapes: two arrays (..., n) of probabilities -> (...).
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  nats.
    Errors: ShapeError unless both have one shape, for nothing is broadcast.

    Gradient. In dp_k stand log(p_k / m_k) + 1, and from m_k the sum of both
    -(p_k + q_k) / (2 m_k) = -1, so
        dp_k = g log(p_k / m_k) / 2,    dq_k = g log(q_k / m_k) / 2.
    Saved: predictions and targets.
    Kinks: 0 log 0 = 0. The slope of p log(p / m), which is -inf at p_k = 0, is taken
    as 0 there, which leaves the part of m_k in the other term: dp_k = -g / 2, and 0
    where q_k is 0 too. Below 0 the loss goes on with this slope.
    Source: Lin (1991), IEEE Transactions on Information Theory 37. SciPy's
    `jensenshannon` is its square root.
    """
    return _jensen_shannon(
        *one_shape("jensen_shannon", predictions=predictions, targets=targets)
    )


def _log_ratio_reference(p, m):
    positive = p > 0
    return jnp.log(jnp.where(positive, p, 1) / jnp.where(positive, m, 1))


def _reference(predictions, targets):
    p, q = predictions, targets
    m = (p + q) / 2
    terms = p * _log_ratio_reference(p, m) + q * _log_ratio_reference(q, m)
    return terms.sum(-1) / 2


def _log_ratio(p, q):
    """log(p / m), and 0 where p is not positive."""
    p, q = jnp.where(p > 0, p, 1), jnp.where(p > 0, q, 1)
    total = p + q
    # log1p for p near m, which is m + (p - q) / 2
    return jnp.where(4 * p < q, jnp.log(2 * p / total), jnp.log1p((p - q) / total))


def _terms(p, q):
    """P log(p / m) + q log(q / m), with its digits where p and q are alike.

    With s = (p - q) / (p + q) it is m ((1 + s) log(1 + s) + (1 - s) log(1 - s)), of
    which the parts of odd order cancel: m times the sum of s^(2k) / (k (2k - 1)).
    """
    total = p + q
    square = jnp.square((p - q) / total)
    series = jnp.zeros_like(square)
    for k in range(14 if square.dtype == jnp.float32 else 33, 0, -1):
        series = 1 / (k * (2 * k - 1)) + square * series
    near = square * series * total / 2
    # Of a logarithm there is one user, or XLA on CPU would keep it in memory.
    far = (jnp.where(x > 0, x * jnp.log(2 * x / total), 0) for x in (p, q))
    return jnp.where(square < 0.36, near, sum(far))


def _forward(predictions, targets):
    loss = _terms(wide(predictions), wide(targets)).sum(-1) / 2
    return loss.astype(targets.dtype), (predictions, targets)


def _backward(saved, g):
    # Nothing is shared with the forward pass: to keep it costs more.
    (p, q), g = map(wide, made_again(saved)), wide(g)[..., None]
    return g * _slope(p, q), g * _slope(q, p)


def _slope(p, q):
    """Half of log(p / m), and of q / (p + q) or its negative if p or q is not there."""
    beyond = jnp.where(p > 0, 1, 0) - jnp.where(q > 0, 1, 0)
    total = jnp.where(beyond == 0, 1, p + q)
    return (_log_ratio(p, q) + beyond * q / total) / 2


def _cases(normal):
    for shape in [(5,), (2, 3, 4), (3, 1), (0, 3)]:
        yield jax.nn.softmax(normal(*shape)), jax.nn.softmax(normal(*shape))
    same = jax.nn.softmax(normal(3))
    yield same, same
    p = jnp.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    yield p, jnp.array([[0.5, 0.25, 0.25], [1e-3, 0.999, 0.0]])


_jensen_shannon = rule(_reference, _forward, _backward, cases=_cases)
