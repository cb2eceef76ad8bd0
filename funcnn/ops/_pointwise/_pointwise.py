r"""Functions of one number: one derivation for all of them, dx = g f'(x).

Every op here and in the files beside takes an array of any shape in any float dtype
and gives one of the same shape and dtype; half precision is computed in float32 and
rounded once. The forward pass saves `x`, and not the output, because a slope written
in the output loses its digits where the output saturates: 1 - tanh(5)^2 keeps four
of seven. Where the slope only depends on where `x` is, as for those in this file, one
byte per element is saved.

No value is flushed to 0, and for a cotangent of ordinary size no gradient: what is
subnormal (below 1.2e-38 in float32) is read as what it is and comes out subnormal,
even where the platform takes such numbers for 0. `_scaling` says how.
"""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats, wide
from funcnn.ops._pointwise._elementwise import elementwise, number, within
from funcnn.ops._pointwise._scaling import as_scaled, rounded, up


def relu(x: jax.Array) -> jax.Array:
    """Rectified linear unit, max(x, 0).

    Gradient: f'(x) = 1 for x > 0, else 0.
    Saved:    whether x > 0, one byte per element.
    Kinks:    at 0 the value is 0 and the slope 0, as in `jax.nn.relu`.
    Errors:   TypeError unless x is of a float dtype; so for every op here.
    Source:   Nair & Hinton (2010), ICML.
    """
    return _relu(*floats("relu", x=x))


def leaky_relu(x: jax.Array, slope: float = 0.01) -> jax.Array:
    """X for x > 0, else slope x; `slope` is a number and is not differentiated.

    Gradient: f'(x) = 1 for x > 0, else slope.
    Saved:    whether x > 0, one byte per element.
    Kinks:    at 0 the value is 0 and the derivative `slope`; `jax.nn.leaky_relu`
              takes 1 there.
    Errors:   TypeError when `slope` is not a number. For a learned one: `prelu`.
    Source:   Maas, Hannun & Ng (2013), ICML workshop.
    """
    return _leaky_relu(*floats("leaky_relu", x=x), number("leaky_relu", slope=slope))


def relu6(x: jax.Array) -> jax.Array:
    """min(max(x, 0), 6).

    Gradient: f'(x) = 1 for 0 < x < 6, else 0.
    Saved:    whether 0 < x < 6, one byte per element.
    Kinks:    at 0 and at 6 the slope is 0, as in `jax.nn.relu6`.
    Source:   Krizhevsky (2010), Convolutional deep belief networks on CIFAR-10.
    """
    return _relu6(*floats("relu6", x=x))


def hard_tanh(x: jax.Array) -> jax.Array:
    """min(max(x, -1), 1).

    Gradient: f'(x) = 1 for -1 <= x <= 1, else 0.
    Saved:    whether -1 <= x <= 1, one byte per element.
    Kinks:    at -1 and at 1 the slope is 1, as in `jax.nn.hard_tanh`.
    Source:   Collobert (2004), Large scale machine learning, thesis.
    """
    return _hard_tanh(*floats("hard_tanh", x=x))


def hard_sigmoid(x: jax.Array) -> jax.Array:
    """min(max(x + 3, 0), 6) / 6.

    Gradient: f'(x) = 1/6 for -3 < x < 3, else 0.
    Saved:    whether -3 < x < 3, one byte per element.
    Kinks:    at -3 and at 3 the slope is 0, as in `jax.nn.hard_sigmoid`.
    Source:   Howard et al. (2019), arXiv:1905.02244.
    """
    return _hard_sigmoid(*floats("hard_sigmoid", x=x))


def _rectifier(reference, below, back, special, **options):
    """The rule of a function that is x for x > 0, else linear: `below(x)`."""

    def forward(x, *options):
        low = up(wide(x)) <= 0  # so that NaN stays NaN
        return jnp.where(low, below(x, *options), x), low

    def backward(*args):
        *options, low, g = args
        return (jnp.where(low, back(g, *options), g),)

    return elementwise(reference, forward, backward, special, **options)


# References: the plain definitions.


def _relu_reference(x):
    return jnp.where(x <= 0, 0, x)


def _leaky_relu_reference(x, slope):
    return jnp.where(x <= 0, slope * x, x)


def _relu6_reference(x):
    return jnp.where(x >= 6, 6, jnp.where(x <= 0, 0, x))


def _hard_tanh_reference(x):
    return jnp.where(x > 1, 1, jnp.where(x < -1, -1, x))


def _hard_sigmoid_reference(x):
    return _relu6_reference(x + 3) / 6


# Values, and where the slope is not 0.


def _leaky_below(x, slope):
    return rounded(as_scaled(wide(x)).times(slope)).astype(x.dtype)


def _leaky_back(g, slope):
    return (slope * wide(g)).astype(g.dtype)


def _between_0_and_6(x):
    return (up(wide(x)) > 0) & (x < 6)


# Not by min and max, nor by what a compiler could make them of: these flush to 0.


def _relu6_value(x):
    return jnp.where(x >= 6, 6, jnp.where(up(wide(x)) <= 0, 0, x))


def _hard_tanh_value(x):
    outside = jnp.where(x > 1, 1, jnp.where(x < -1, -1, x))
    return jnp.where(jnp.abs(x) <= 1, x, outside)


def _hard_sigmoid_value(x):
    return jnp.clip(wide(x) + 3, 0, 6) / 6


# Kinks that bend upward and those that bend downward stand in rows of their own.
_AT_0 = (0.0, -0.0), (20.0, -20.0, 700.0, -700.0)
_relu = _rectifier(_relu_reference, jnp.zeros_like, jnp.zeros_like, _AT_0)
_leaky_relu = _rectifier(
    _leaky_relu_reference, _leaky_below, _leaky_back, _AT_0, slope=(0.1, 3.0)
)
_relu6 = within(
    _relu6_reference, _relu6_value, _between_0_and_6, special=(*_AT_0, (6.0,))
)
_hard_tanh = within(
    _hard_tanh_reference,
    _hard_tanh_value,
    lambda x: jnp.abs(x) <= 1,
    special=((-1.0, 0.0, 700.0), (1.0, -700.0)),
)
_hard_sigmoid = within(
    _hard_sigmoid_reference,
    _hard_sigmoid_value,
    lambda x: jnp.abs(x) < 3,
    1 / 6,
    special=((-3.0, 0.0, 700.0), (3.0, -700.0)),
)
