"""Samples of a categorical distribution that have a gradient."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import axes_of, check_key, floats, wide
from funcnn.ops._probabilities._softmax import probabilities, probabilities_cotangent
from funcnn.rules import rule


def gumbel_softmax(
    logits: jax.Array,
    key: jax.Array,
    *,
    temperature: float | jax.Array = 1.0,
    hard: bool = False,
    axis: int = -1,
) -> jax.Array:
    """softmax((logits + noise) / temperature) with Gumbel noise drawn from `key`.

    Without division by the temperature, the largest entry is a sample of
    softmax(logits). With `hard` the output is that sample, one-hot.

    Shapes: logits of one or more axes, key one PRNG key, temperature () -> logits'.
    Dtypes: logits any float; computed in float32 or wider. The noise is drawn in
            float32 whatever the dtype, so one key draws one sample.
    Units:  the temperature has those of the logits, which are nats at 1.
    Errors: TypeError unless logits and temperature are floats and key is one key;
            ValueError for a temperature that is known not to be above 0, and for an
            axis that logits do not have.

    Gradient. With z = (logits + noise) / T, y = softmax(z) and g = dL/dy,
        dz_j = y_j (g_j - sum_i g_i y_i),   dlogits = dz / T,   dT = -sum dz z / T.
    As sum dz = 0, the largest z is taken from all of them in the last. The one-hot
    sample does not change with the logits but in jumps, so with `hard` the rule
    declares the gradient of y as its own (`surrogate`), straight through.
    Saved: logits, key and temperature. The noise, and y, are made again, which costs
    the draw a second time; the key gets None.
    Kinks: of equal largest entries the sample is the first.
    Source: Jang, Gu & Poole (2017), arXiv:1611.01144; Maddison, Mnih & Teh (2017),
    arXiv:1611.00712. PyTorch has it with these options, and calls T tau.
    """
    (logits,) = floats("gumbel_softmax", logits=logits)
    if isinstance(temperature, int | float):
        temperature = jnp.asarray(temperature, wide(logits).dtype)
    (temperature,) = floats("gumbel_softmax", temperature=temperature)
    (axis,) = axes_of("gumbel_softmax", logits, axis)
    check_key("gumbel_softmax", key)
    _check_temperature(temperature)
    sample = _sample if hard else _gumbel_softmax
    y = sample(jnp.moveaxis(logits, axis, -1), key, temperature)
    return jnp.moveaxis(y, -1, axis)


def _check_temperature(temperature):
    if temperature.shape:
        raise ShapeError(
            f"gumbel_softmax: temperature must have shape (), got {temperature.shape}"
        )
    known = not isinstance(temperature, jax.core.Tracer)
    if known and not temperature > 0:
        raise ValueError(
            f"gumbel_softmax: temperature must be above 0, got {temperature}"
        )


def _with_noise(logits, key, temperature):
    if not logits.size:
        return wide(logits)  # needs no key
    noise = jax.random.gumbel(key, logits.shape, jnp.float32)
    return (wide(logits) + noise) / wide(temperature)


def _reference(logits, key, temperature):
    z = _with_noise(logits, key, temperature)
    e = jnp.exp(z - lax.stop_gradient(z.max(-1, keepdims=True, initial=-jnp.inf)))
    return (e / e.sum(-1, keepdims=True)).astype(logits.dtype)


def _one_hot(logits, key, temperature):
    z = _with_noise(logits, key, temperature)
    first = jnp.argmax(z, -1, keepdims=True)
    hot = first == jnp.arange(z.shape[-1], dtype=first.dtype)
    # a row with NaN has no largest entry
    unknown = jnp.isnan(z).any(-1, keepdims=True)
    return jnp.where(unknown, jnp.nan, hot).astype(logits.dtype)


def _soft_forward(logits, key, temperature):
    y = probabilities(_with_noise(logits, key, temperature), (-1,))
    return y.astype(logits.dtype), _saved(logits, key, temperature)


def _hard_forward(logits, key, temperature):
    return _one_hot(logits, key, temperature), _saved(logits, key, temperature)


def _saved(logits, key, temperature):
    return (logits, key, temperature) if logits.size else None


def _backward(saved, g):
    if saved is None:
        return None, None, None
    logits, key, temperature = saved
    z = _with_noise(logits, key, temperature)
    dz = probabilities_cotangent(probabilities(z, (-1,)), wide(g), (-1,))
    below = z - z.max(-1, keepdims=True)
    dtemperature = -(dz * below).sum() / wide(temperature)
    return dz / wide(temperature), None, dtemperature


def _cases(normal):
    key = jax.random.key(1)
    for *shape, temperature in [(5, 1.0), (3, 4, 0.5), (2, 1, 1.0), (0, 3, 2.0)]:
        yield normal(*shape), key, jnp.array(temperature)
    yield 3 * normal(2, 2, 3), jax.random.PRNGKey(2), jnp.array(5.0)


_gumbel_softmax = rule(_reference, _soft_forward, _backward, cases=_cases)
_sample = rule(
    _one_hot,
    _hard_forward,
    _backward,
    cases=_cases,
    surrogate=_reference,
    name="gumbel_softmax",
)
