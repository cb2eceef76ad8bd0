"""Dropout: entries are zeroed at random, the others grow to keep the mean."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats
from funcnn.rules import rule


def dropout(x: jax.Array, key: jax.Array, rate: float) -> jax.Array:
    """Zeroes each entry with probability `rate` and divides the others by 1 - rate.

    Shapes: x of any shape, key one PRNG key -> the shape of x.
    Dtypes: any float.
    Units:  `rate` is the share that is dropped, 0 to 1; 1 gives zeros.
    Errors: ValueError unless rate is a number from 0 to 1; TypeError unless x is
            of a float dtype and key one key (of `jax.random.key` or `PRNGKey`).

    Gradient. y = x m / (1 - rate) with a mask m of zeros and ones that does not
    depend on x, so dx = g m / (1 - rate). The key gets None.
    Saved: the key. The mask is drawn again from it, which costs the draw a second
    time and saves an array of the size of x.
    Kinks: none; a dropped infinity gives 0.
    Source: Srivastava et al. (2014), JMLR 15.
    """
    (x,) = floats("dropout", x=x)
    if not 0 <= rate <= 1:
        raise ValueError(f"dropout: rate must be from 0 to 1, got {rate}")
    _check_key(key)
    return _dropout(x, key, float(rate))


def _check_key(key):
    key = jnp.asarray(key)
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not (typed or key.dtype == jnp.uint32) or key.ndim != (0 if typed else 1):
        raise TypeError(
            "dropout: key must be one key, such as jax.random.key(0), "
            f"got {key.dtype}{list(key.shape)}"
        )


def _drop(x, key, rate):
    if rate == 1:
        return jnp.zeros_like(x)
    kept = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), 0)


def _reference(x, key, rate):
    return _drop(x, key, rate)


def _forward(x, key, rate):
    return _drop(x, key, rate), key


def _backward(rate, key, g):
    return _drop(g, key, rate), None


def _cases(normal):
    for shape in [(), (5,), (4, 5), (2, 1, 3), (0, 3)]:
        yield normal(*shape), jax.random.key(1), 0.3
    yield normal(4, 5), jax.random.PRNGKey(2), 0.5
    yield normal(3, 3), jax.random.key(3), 0.0
    yield normal(3, 3), jax.random.key(4), 1.0


_dropout = rule(_reference, _forward, _backward, static="rate", cases=_cases)
