r"""Activations: one derivation for all of them, dx = g f'(x), elementwise.

Every op here takes an array of any shape in any float dtype and gives one of the
same shape and dtype; half precision is computed in float32 and rounded once. The
forward pass saves `x`, and not the output, because a slope written in the output
loses its digits where the output saturates: 1 - tanh(5)^2 keeps four of seven.
Where the slope only depends on the sign of `x`, one byte per element is saved.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def relu(x: jax.Array) -> jax.Array:
    """Rectified linear unit, max(x, 0).

    Gradient: f'(x) = 1 for x > 0, else 0.
    Saved:    the sign of x, one byte per element.
    Kinks:    at 0 the value is 0 and the slope 0, as in `jax.nn.relu`.
    Errors:   TypeError unless x is of a float dtype; so for every op here.
    Source:   Nair & Hinton (2010), ICML.
    """
    return _relu(*floats("relu", x=x))


def leaky_relu(x: jax.Array, slope: float = 0.01) -> jax.Array:
    """X for x > 0, else slope x; `slope` is a number and is not differentiated.

    Gradient: f'(x) = 1 for x > 0, else slope.
    Saved:    the sign of x, one byte per element.
    Kinks:    at 0 the value is 0 and the derivative `slope`; `jax.nn.leaky_relu`
              takes 1 there.
    Errors:   TypeError when `slope` is not a number.
    Source:   Maas, Hannun & Ng (2013), ICML workshop.
    """
    return _leaky_relu(*floats("leaky_relu", x=x), _number("leaky_relu", slope))


def sigmoid(x: jax.Array) -> jax.Array:
    """Logistic function s(x) = 1 / (1 + exp(-x)).

    Gradient: f'(x) = exp(-x) / (1 + exp(-x))^2 = s(x) s(-x), which, unlike
              s (1 - s), keeps its digits for large x.
    Saved:    x.
    """
    return _sigmoid(*floats("sigmoid", x=x))


def log_sigmoid(x: jax.Array) -> jax.Array:
    """log(1 / (1 + exp(-x))) = min(x, 0) - log(1 + exp(-|x|)).

    Gradient: f(x) = -log(1 + exp(-x)), so f'(x) = exp(-x) / (1 + exp(-x)) = s(-x).
    Saved:    x.
    """
    return _log_sigmoid(*floats("log_sigmoid", x=x))


def tanh(x: jax.Array) -> jax.Array:
    """Hyperbolic tangent.

    Gradient: f'(x) = 1 / cosh(x)^2 = 4 s(2x) s(-2x) with the logistic function s,
              which, unlike 1 - tanh^2, keeps its digits for large |x|.
    Saved:    x.
    """
    return _tanh(*floats("tanh", x=x))


def softplus(x: jax.Array) -> jax.Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)).

    Gradient: f'(x) = exp(x) / (1 + exp(x)) = s(x), the logistic function.
    Saved:    x.
    Source:   Dugas et al. (2001), NIPS.
    """
    return _softplus(*floats("softplus", x=x))


def gelu(x: jax.Array, approximate: bool = True) -> jax.Array:
    """Gaussian error linear unit, x P(x), P the normal distribution function.

    With `approximate`, as `jax.nn.gelu` has it by default, P(x) is taken as
    s(2u), u = sqrt(2/pi) (x + 0.044715 x^3), s the logistic function; this is
    (1 + tanh u) / 2. Without, P(x) = erfc(-x / sqrt 2) / 2.

    Gradient: exact:  f'(x) = P(x) + x p(x), p(x) = exp(-x^2/2) / sqrt(2 pi);
              approximate: f'(x) = s(2u) + 2 x s(2u) s(-2u) u',
              u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2).
    Saved:    x.
    Source:   Hendrycks & Gimpel (2016), arXiv:1606.08415.
    """
    (x,) = floats("gelu", x=x)
    return _gelu_tanh(x) if approximate else _gelu(x)


def silu(x: jax.Array) -> jax.Array:
    """X s(x), s the logistic function; also called swish.

    Gradient: f'(x) = s(x) + x s(x) s(-x) = s(x) (1 + x s(-x)).
    Saved:    x.
    Source:   Elfwing, Uchibe & Doya (2017), arXiv:1702.03118.
    """
    return _silu(*floats("silu", x=x))


def _number(op: str, value: Any) -> float:
    try:
        return float(value)
    except TypeError as error:
        raise TypeError(
            f"{op}: slope must be a number known when tracing, got {value!r}"
        ) from error


def _pointwise(
    reference: Callable[[jax.Array], jax.Array],
    value: Callable[[jax.Array], jax.Array],
    slope: Callable[[jax.Array], jax.Array],
) -> Any:
    """The rule of a smooth elementwise function from its value and its slope."""

    def forward(x):
        return value(wide(x)).astype(x.dtype), x

    def backward(x, g):
        return (wide(g) * slope(wide(x)),)

    name = _op_name(reference)
    return rule(reference, forward, backward, cases=_cases, name=name)


def _rectifier(
    reference: Callable[..., jax.Array],
    below: Callable[..., jax.Array],
    parameters: tuple[float, ...] = (),
    static: tuple[str, ...] = (),
) -> Any:
    """The rule of a function that is x for x > 0, else linear: `below(x)`."""

    def forward(x, *parameters):
        positive = x > 0
        return jnp.where(positive, x, below(x, *parameters)), positive

    def backward(*args):
        *parameters, positive, g = args
        return (jnp.where(positive, g, below(g, *parameters)),)

    def cases(normal):
        return ((*case, *parameters) for case in _cases(normal))

    name = _op_name(reference)
    return rule(reference, forward, backward, static=static, cases=cases, name=name)


def _op_name(reference):
    return reference.__name__.strip("_").removesuffix("_reference")


def _cases(normal):
    for shape in [(), (1,), (3, 5), (2, 1, 3), (0, 3)]:
        yield (normal(*shape),)
    yield (jnp.array([0.0, -0.0, 20.0, -20.0, 700.0, -700.0]),)


# References: the plain definitions.


def _relu_reference(x):
    return jnp.where(x > 0, x, 0)


def _leaky_relu_reference(x, slope):
    return jnp.where(x > 0, x, slope * x)


def _sigmoid_reference(x):
    return lax.logistic(x)


def _tanh_reference(x):
    return jnp.tanh(x)


def _softplus_reference(x):
    # -|x| as x - 2 max(x, 0), for both halves then take the same side at 0
    positive = jnp.where(x > 0, x, 0)
    return positive + jnp.log1p(jnp.exp(x - 2 * positive))


def _log_sigmoid_reference(x):
    return -_softplus_reference(-x)


def _gelu_reference(x):
    return x * lax.erfc(-x * math.sqrt(0.5)) / 2


def _gelu_tanh_reference(x):
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x * (1 + jnp.tanh(u)) / 2


def _silu_reference(x):
    return x * lax.logistic(x)


# Values and slopes. Factors of x are clipped where the other factor has long
# underflowed, so that no infinity ever meets a zero.


def _sigmoid_value(x):
    return lax.logistic(x)


def _sigmoid_slope(x):
    return lax.logistic(x) * lax.logistic(-x)


def _tanh_value(x):
    return lax.tanh(x)


def _softplus_value(x):
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


def _tanh_slope(x):
    return 4 * lax.logistic(2 * x) * lax.logistic(-2 * x)


def _gelu_value(x):
    return jnp.maximum(x, -50) * lax.erfc(-x * math.sqrt(0.5)) / 2


def _gelu_slope(x):
    c = jnp.clip(x, -50, 50)
    density = jnp.exp(-c * c / 2) * (1 / math.sqrt(2 * math.pi))
    return lax.erfc(-x * math.sqrt(0.5)) / 2 + c * density


def _gelu_tanh_argument(x):
    """2u of `gelu`, its slope, and the clipped x that both are taken at."""
    c = jnp.clip(x, -50, 50)
    scale = 2 * math.sqrt(2 / math.pi)
    return scale * c * (1 + 0.044715 * c * c), scale * (1 + 3 * 0.044715 * c * c), c


def _gelu_tanh_value(x):
    u2, _, _ = _gelu_tanh_argument(x)
    return jnp.maximum(x, -50) * lax.logistic(u2)


def _gelu_tanh_slope(x):
    u2, u2_slope, c = _gelu_tanh_argument(x)
    s = lax.logistic(u2)
    return s + c * s * lax.logistic(-u2) * u2_slope


def _silu_value(x):
    return jnp.maximum(x, -1e4) * lax.logistic(x)


def _silu_slope(x):
    s = lax.logistic(x)
    return s + jnp.clip(x, -1e4, 1e4) * s * lax.logistic(-x)


_relu = _rectifier(_relu_reference, jnp.zeros_like)
_leaky_relu = _rectifier(
    _leaky_relu_reference, lambda x, slope: slope * x, (0.1,), ("slope",)
)
_sigmoid = _pointwise(_sigmoid_reference, _sigmoid_value, _sigmoid_slope)
_tanh = _pointwise(_tanh_reference, _tanh_value, _tanh_slope)
_softplus = _pointwise(_softplus_reference, _softplus_value, _sigmoid_value)
_log_sigmoid = _pointwise(
    _log_sigmoid_reference,
    lambda x: -_softplus_value(-x),
    lambda x: _sigmoid_value(-x),
)
_gelu = _pointwise(_gelu_reference, _gelu_value, _gelu_slope)
_gelu_tanh = _pointwise(_gelu_tanh_reference, _gelu_tanh_value, _gelu_tanh_slope)
_silu = _pointwise(_silu_reference, _silu_value, _silu_slope)
