"""Cross-entropy of a Bernoulli distribution given by its logit."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import with_labels
from funcnn.ops._platforms import made_again
from funcnn.ops._pointwise._parts import log1p
from funcnn.rules import rule


def sigmoid_cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """-y log s(x) - (1 - y) log s(-x), elementwise and unreduced.

    x the logits, y the labels, s the logistic function.
    Shapes: two arrays of one shape -> the same.
    Dtypes: the arguments' common float dtype (integer labels are cast to that of
            the logits); computed in float32 or wider.
    Units:  nats. Labels are probabilities, 0 to 1.
    Errors: ShapeError unless both have one shape, for nothing is broadcast.

    Gradient. With d(-log s(x))/dx = -s(-x) and d(-log s(-x))/dx = s(x),
        dx = g ((1 - y) s(x) - y s(-x)),
    which equals g (s(x) - y) and, unlike it, keeps its digits for sure answers;
        dy = g (log s(-x) - log s(x)) = -g x.
    Saved: logits and labels.
    Kinks: none.
    Differs from `optax.sigmoid_binary_cross_entropy` in refusing to broadcast.
    """
    logits, labels = with_labels("sigmoid_cross_entropy", logits=logits, labels=labels)
    return _sigmoid_cross_entropy(logits, labels)


def _reference(logits, labels):
    # log s(-x) = log s(x) - x turns the two logarithms into one, and -|x| is written
    # as -x - 2 max(-x, 0), for then all of it takes the same side at 0
    negative = jnp.where(logits < 0, -logits, 0)
    minus_log_sigmoid = negative + jnp.log1p(jnp.exp(-logits - 2 * negative))
    return minus_log_sigmoid + (1 - labels) * logits


def _forward(logits, labels):
    x, y = wide(logits), wide(labels)
    rest = log1p(jnp.exp(-jnp.abs(x)))
    loss = y * jnp.maximum(-x, 0) + (1 - y) * jnp.maximum(x, 0) + rest
    return loss.astype(logits.dtype), (logits, labels)


def _backward(saved, g):
    # Nothing is shared with the forward pass: to keep exp(x) costs more than exp.
    (x, y), g = map(wide, made_again(saved)), wide(g)
    positive = x > 0
    e = jnp.exp(jnp.where(positive, -x, x))
    slope = jnp.where(positive, (1 - y) - y * e, (1 - y) * e - y) / (1 + e)
    return g * slope, -g * x


def _cases(normal):
    for shape in [(), (1,), (3, 5), (0, 2)]:
        yield normal(*shape), lax.logistic(normal(*shape))
    yield jnp.array([0.0, 0.0, 30.0, 700.0, -700.0]), jnp.array([0, 1, 1, 1, 0.0])


_sigmoid_cross_entropy = rule(_reference, _forward, _backward, cases=_cases)
