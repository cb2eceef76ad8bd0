"""Cross-entropy of a Bernoulli distribution given by its probability."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import with_labels
from funcnn.rules import rule


def binary_cross_entropy(probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    """-y log p - (1 - y) log(1 - p), elementwise, unreduced, finite at 0 and 1.

    Below d the logarithm is continued by its tangent: l(p) = log p for p >= d, and
    log d + (p - d) / d for p < d, where d is the dtype's `eps`, at most 2^-10. So a
    sure wrong answer costs 1 - log d (16.9 nats in float32, 37.0 in float64, 7.9 in
    half precision), and its slope is -1/d: the value and the slope are continuous
    and finite everywhere. Where there are logits, `sigmoid_cross_entropy` needs no
    such thing.

    Shapes: two arrays of one shape -> the same.
    Dtypes: the arguments' common float dtype (integer labels are cast to that of
            the probabilities); computed in float32 or wider.
    Units:  nats. Labels are probabilities too, 0 to 1.
    Errors: ShapeError unless both have one shape, for nothing is broadcast.

    Gradient. l'(p) = 1 / max(p, d), so with q = 1 - p
        dp = g ((1 - y) / max(q, d) - y / max(p, d)),   dy = g (l(q) - l(p)).
    Saved: probabilities and labels.
    Kinks: none: l is continuously differentiable.
    Differs: Keras clips p to [1e-7, 1 - 1e-7] and has slope 0 beyond; PyTorch cuts
    the logarithms at -100.
    """
    probabilities, labels = with_labels(
        "binary_cross_entropy", probabilities=probabilities, labels=labels
    )
    least = min(float(jnp.finfo(probabilities.dtype).eps), 2**-10)
    return _binary_cross_entropy(probabilities, labels, least)


def _log(p, least):
    inside = jnp.maximum(p, least)
    return jnp.log(inside) + jnp.minimum(p - least, 0) / least


def _log_reference(p, least):
    below = jnp.log(least) + (p - least) / least
    return jnp.where(p < least, below, jnp.log(jnp.where(p < least, least, p)))


def _reference(probabilities, labels, least):
    p, q = probabilities, 1 - probabilities
    return -labels * _log_reference(p, least) - (1 - labels) * _log_reference(q, least)


def _forward(probabilities, labels, least):
    p, y = wide(probabilities), wide(labels)
    loss = -y * _log(p, least) - (1 - y) * _log(1 - p, least)
    return loss.astype(probabilities.dtype), (probabilities, labels)


def _backward(least, saved, g):
    (p, y), g = map(wide, saved), wide(g)
    slope = (1 - y) / jnp.maximum(1 - p, least) - y / jnp.maximum(p, least)
    return g * slope, g * (_log(1 - p, least) - _log(p, least))


def _cases(normal):
    for shape in [(), (1,), (3, 5), (0, 2)]:
        yield lax.logistic(normal(*shape)), lax.logistic(normal(*shape)), 2**-20
    p, y = jnp.array([0.0, 0.0, 1.0, 1.0, 0.5]), jnp.array([0.0, 1.0, 0.0, 1.0, 1.0])
    yield p, y, 2**-10


_binary_cross_entropy = rule(
    _reference, _forward, _backward, static="least", cases=_cases
)
