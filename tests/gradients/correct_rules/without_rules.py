"""Programs in which no rule stands, or nothing to differentiate."""

import jax
import jax.numpy as jnp
from jax import lax

from .example import Example, array, integers, normal

X = normal(170, 3, 4)


def identity(x):
    return x


def count(ids):
    return jnp.bincount(ids, length=5), ids.max()


def constant(x):
    del x
    return jnp.arange(3.0), 2


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def blown_up(x):
    return jnp.exp(jnp.where(x > 0, x, 0)).sum() * 1e2


EXAMPLES = (
    Example("plain arithmetic", lambda x: jnp.tanh(x @ x.T), (X,), "no rule in it"),
    Example("identity", identity, (X,), "no operation in it"),
    Example("integers only", count, (integers(1, 4, 1),), "nothing to differentiate"),
    Example("constant", constant, (X,), "no output depends on the input"),
    Example(
        "numbers", lambda x, n: {"y": x * n, "n": n}, (1.5, 2), "Python numbers only"
    ),
    Example(
        "sort and loop",
        lambda x: lax.fori_loop(0, 3, lambda i, x: jnp.sort(x)[::-1] * 1.5, x),
        (array(3.0, 1.0, 2.0),),
        "plain control flow",
    ),
    Example("noise", noisy, (X, jax.random.key(5)), "a key, whose bits have no slope"),
    Example(
        "large values",
        blown_up,
        (normal(171, 3, 4, shift=75),),
        "finite, but near the end of float32",
    ),
)
