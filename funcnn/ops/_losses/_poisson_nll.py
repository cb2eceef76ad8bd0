"""Negative log-likelihood of counts under a Poisson distribution."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import with_labels
from funcnn.rules import rule


def poisson_nll(log_rates: jax.Array, targets: jax.Array) -> jax.Array:
    """exp(x) - t x, elementwise and unreduced: x the log-rates, t the counts.

    It is -log of the probability of t, without the term log t!, which no prediction
    changes.

    Shapes: two arrays of one shape -> the same.
    Dtypes: the arguments' common float dtype (integer targets are cast to that of
            the log-rates); half precision is computed in float32.
    Units:  nats.
    Errors: ShapeError unless both have one shape, for nothing is broadcast.

    Gradient. dx = g (exp(x) - t), dt = -g x.
    Saved: log-rates and targets.
    Kinks: none. A rate of 0 (x = -inf) costs nothing where t = 0.
    Source: Nelder & Wedderburn (1972), JRSS A 135. PyTorch's `PoissonNLLLoss` with
    its `log_input`.
    """
    return _poisson_nll(
        *with_labels("poisson_nll", log_rates=log_rates, targets=targets)
    )


def _reference(log_rates, targets):
    return jnp.exp(log_rates) - targets * log_rates


def _forward(log_rates, targets):
    x, t = wide(log_rates), wide(targets)
    some = (t != 0) | (x != -jnp.inf)
    loss = jnp.exp(x) - t * jnp.where(some, x, 0)
    return loss.astype(log_rates.dtype), (log_rates, targets)


def _backward(saved, g):
    (x, t), g = map(wide, saved), wide(g)
    return g * (jnp.exp(x) - t), -g * x


def _cases(normal):
    for shape in [(), (3, 5), (0, 2)]:
        yield normal(*shape), jnp.abs(normal(*shape))
    yield jnp.array([0.0, 5.0, -700.0, -5.0]), jnp.array([1.0, 150.0, 0.0, 3.0])


_poisson_nll = rule(_reference, _forward, _backward, cases=_cases)
