"""Straight-through estimators: a step forward, the identity backward.

Every op here takes an array of any shape in any float dtype and gives one of the
same shape and dtype, exactly. Its own derivative is 0 nearly everywhere, or wherever
it is saturated, and would teach nothing, so the rule declares another (`surrogate`):
that of the identity, dx = g, for the entries that are let through.
Errors: TypeError unless x is of a float dtype; ValueError for bounds in no order.
Source: Bengio, Leonard & Courville (2013), arXiv:1308.3432.
"""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats
from funcnn.rules import rule


def round_ste(x: jax.Array) -> jax.Array:
    """The nearest integer, of two the even one, as `jnp.round` has it.

    Gradient: dx = g, declared.
    Saved:    nothing.
    """
    return _round_ste(*floats("round_ste", x=x))


def sign_ste(x: jax.Array, *, clip: float = 1.0) -> jax.Array:
    """-1, 0 or 1.

    Gradient: dx = g where |x| <= clip, else 0, declared: the derivative of a hard
              tanh of that width, so that what is far from a change of sign stays.
              An infinite `clip` lets everything through.
    Saved:    whether |x| <= clip, one byte per element.
    Kinks:    at 0 the value is 0, as in `jnp.sign`; at |x| = clip the gradient passes.
    Source:   Hubara et al. (2016), arXiv:1602.02830, section 1.3.
    """
    (x,) = floats("sign_ste", x=x)
    if not clip >= 0:
        raise ValueError(f"sign_ste: clip must be 0 or more, got {clip}")
    return _sign_ste(x, float(clip))


def clip_ste(x: jax.Array, minimum: float, maximum: float) -> jax.Array:
    """`x` between two numbers, where a clamp would stop the gradient.

    Gradient: dx = g, declared, also where x is beyond the bounds: it can come back.
    Saved:    nothing.
    """
    (x,) = floats("clip_ste", x=x)
    if not minimum <= maximum:
        raise ValueError(
            f"clip_ste: minimum must be at most maximum, got {minimum} and {maximum}"
        )
    return _clip_ste(x, float(minimum), float(maximum))


def _round(x):
    return jnp.round(x)


def _sign(x, clip):
    return jnp.sign(x)


def _clip(x, minimum, maximum):
    return jnp.clip(x, minimum, maximum)


def _everywhere(x, *options):
    return None


def _within(x, clip):
    return jnp.abs(x) <= clip


def _straight_through(name, step, passes, static=(), options=((), ())):
    """The rule of a step whose gradient goes to the entries that `passes` names.

    `options` are two examples of the arguments named in `static`.
    """

    def surrogate(*args):
        x, mask = args[0], passes(*args)
        moved = x if mask is None else jnp.where(mask, x, lax.stop_gradient(x))
        return lax.stop_gradient(step(*args)) + (moved - lax.stop_gradient(moved))

    def forward(*args):
        return step(*args), passes(*args)

    def backward(*args):
        *_, mask, g = args
        return (g if mask is None else jnp.where(mask, g, 0),)

    def cases(normal):
        for shape, given in zip([(), (3, 4)], options):
            yield 2 * normal(*shape), *given
        ends = jnp.array([-2.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5])  # ties and bounds
        yield ends, *options[1]
        yield jnp.zeros((0, 3)), *options[0]

    return rule(
        step,
        forward,
        backward,
        static=static,
        cases=cases,
        surrogate=surrogate,
        name=name,
    )


_round_ste = _straight_through("round_ste", _round, _everywhere)
_sign_ste = _straight_through("sign_ste", _sign, _within, ["clip"], [(1.0,), (0.5,)])
_clip_ste = _straight_through(
    "clip_ste", _clip, _everywhere, ["minimum", "maximum"], [(-1.0, 0.5), (-0.5, 1.5)]
)
