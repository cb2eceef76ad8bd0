r"""Losses of a difference: one derivation for all of them.

Every op here compares two arrays of one shape, elementwise and unreduced:
y = f(d), d = predictions - targets. So
    dpredictions = g f'(d),    dtargets = -g f'(d).

Shapes: two arrays of one shape -> the same.
Dtypes: the arguments' common float dtype; half precision is computed in float32.
Errors: ShapeError unless both have one shape, for nothing is broadcast.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import one_shape
from funcnn.ops._pointwise._parts import log_of_cosh
from funcnn.rules import rule


def squared_error(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """d^2 with d = predictions - targets, without a factor 1/2.

    Shapes: two arrays of one shape -> the same.
    Dtypes: the arguments' common float dtype; half precision is computed in float32.
    Units:  those of the predictions, squared.
    Errors: ShapeError unless both have one shape, for nothing is broadcast.

    Gradient: f'(d) = 2 d.
    Saved:    d.
    Kinks:    none.
    """
    return _squared_error(
        *one_shape("squared_error", predictions=predictions, targets=targets)
    )


def l2_loss(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """d^2 / 2 with d = predictions - targets: half of `squared_error`.

    Units:    those of the predictions, squared.
    Gradient: f'(d) = d.
    Saved:    d.
    Kinks:    none.
    """
    return _l2_loss(*one_shape("l2_loss", predictions=predictions, targets=targets))


def absolute_error(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """|d| with d = predictions - targets, the loss whose minimum is the median.

    Units:    those of the predictions.
    Gradient: f'(d) = sign(d).
    Saved:    the sign of d, one byte per element.
    Kinks:    at d = 0 the value is 0 and the slope 0.
    """
    return _absolute_error(
        *one_shape("absolute_error", predictions=predictions, targets=targets)
    )


def huber_loss(
    predictions: jax.Array, targets: jax.Array, *, delta: float = 1.0
) -> jax.Array:
    """d^2 / 2 for |d| <= delta, beyond it the tangent, delta (|d| - delta / 2).

    Units:    those of the predictions, squared; `delta` has those of d.
    Errors:   ValueError unless `delta` is a positive number; it is not
              differentiated.
    Gradient: f'(d) = d cut off at -delta and delta.
    Saved:    d.
    Kinks:    none: value and slope are continuous.
    Source:   Huber (1964), Annals of Mathematical Statistics 35.
    """
    delta = float(delta)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be a positive number, got {delta}")
    predictions, targets = one_shape(
        "huber_loss", predictions=predictions, targets=targets
    )
    return _huber_loss(predictions, targets, delta)


def log_cosh_loss(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """Log cosh d with d = predictions - targets: d^2 / 2, then |d| - log 2.

    Units:    d must have none.
    Gradient: f'(d) = sinh d / cosh d = tanh d.
    Saved:    d.
    Kinks:    none.
    Source:   Chen et al. (2019), "Log hyperbolic cosine loss improves variational
              auto-encoder".
    Differs from `optax.losses.log_cosh` for small d in keeping its digits: there
    |d| - log 2 and the rest of the sum cancel, and
    log cosh d = -log(1 - tanh(d)^2) / 2 is used.
    """
    return _log_cosh_loss(
        *one_shape("log_cosh_loss", predictions=predictions, targets=targets)
    )


def _difference(
    reference: Callable[..., jax.Array],
    value: Callable[..., jax.Array],
    slope: Callable[..., jax.Array],
    parameters: tuple[float, ...] = (),
    static: tuple[str, ...] = (),
) -> Any:
    """The rule of a loss of the difference, from its value and its slope."""

    def forward(predictions, targets, *parameters):
        d = wide(predictions) - wide(targets)
        kept = d.astype(predictions.dtype)
        return value(d, *parameters).astype(predictions.dtype), kept

    def backward(*args):
        *parameters, d, g = args
        dpredictions = wide(g) * slope(wide(d), *parameters)
        return dpredictions, -dpredictions

    return _rule(reference, forward, backward, parameters, static)


def _rule(reference, forward, backward, parameters=(), static=()):
    def cases(normal):
        return ((*case, *parameters) for case in _cases(normal))

    name = reference.__name__.strip("_").removesuffix("_reference")
    return rule(reference, forward, backward, static=static, cases=cases, name=name)


def _cases(normal):
    for shape in [(), (1,), (3, 5), (0, 2)]:
        yield normal(*shape), normal(*shape)
    same = normal(4)
    yield same, same
    yield jnp.array([0.5, -0.5, 10.0, -10.0, 1e-3]), jnp.zeros(5)


# References: the plain definitions.


def _squared_error_reference(predictions, targets):
    return (predictions - targets) ** 2


def _l2_loss_reference(predictions, targets):
    return (predictions - targets) ** 2 / 2


def _absolute_error_reference(predictions, targets):
    d = predictions - targets
    return jnp.where(d > 0, d, 0) + jnp.where(d < 0, -d, 0)  # slope 0 at 0


def _huber_loss_reference(predictions, targets, delta):
    size = jnp.abs(predictions - targets)
    return jnp.where(size <= delta, size**2 / 2, delta * (size - delta / 2))


def _log_cosh_loss_reference(predictions, targets):
    return jnp.log(jnp.cosh(predictions - targets))


# Values, where they are not one line.


def _huber_value(d, delta):
    size = jnp.abs(d)
    inside = jnp.minimum(size, delta)
    return inside * (size - inside / 2)


def _absolute_error_forward(predictions, targets):
    d = wide(predictions) - wide(targets)
    return jnp.abs(d).astype(predictions.dtype), jnp.sign(d).astype(jnp.int8)


def _absolute_error_backward(sign, g):
    dpredictions = g * sign
    return dpredictions, -dpredictions


_squared_error = _difference(_squared_error_reference, lambda d: d * d, lambda d: 2 * d)
_l2_loss = _difference(_l2_loss_reference, lambda d: d * d / 2, lambda d: d)
_absolute_error = _rule(
    _absolute_error_reference, _absolute_error_forward, _absolute_error_backward
)
_huber_loss = _difference(
    _huber_loss_reference,
    _huber_value,
    lambda d, delta: jnp.where(jnp.abs(d) <= delta, d, delta * jnp.sign(d)),
    (0.5,),
    ("delta",),
)
_log_cosh_loss = _difference(_log_cosh_loss_reference, log_of_cosh, jnp.tanh)
