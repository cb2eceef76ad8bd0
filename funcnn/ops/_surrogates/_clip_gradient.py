"""The identity, with a gradient whose norm is bounded."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import floats, wide
from funcnn.ops._squares import by_unit, length
from funcnn.rules import Pullback, rule


def clip_gradient(x: jax.Array, max_norm: float) -> jax.Array:
    """`x`, with its gradient shortened to the length `max_norm` where it is longer.

    Inside a net it keeps a gradient that explodes from reaching what is before it, as
    between the steps of a recurrence; `optax.clip_by_global_norm` shortens that of all
    parameters. Under `jax.vmap` the norm is that of each example.

    Shapes: x of any shape -> the same; the norm is over all of it.
    Dtypes: any float; the norm in float32 or wider, without overflow.
    Units:  `max_norm` has those of the gradient.
    Errors: ValueError unless max_norm is above 0; TypeError unless x is of a float
            dtype.

    Gradient. With g = dL/dy and c = max_norm the rule declares
        dx = g min(1, c / |g|),
    which is not linear in g, so that it is no function's derivative: what is declared
    (`Pullback`) is this line itself, and there is no forward mode. Where the numbers
    are not of ordinary size, it is, of u = g / m with a power of two m,
        dx = g where |u| <= c / m, else c u / |u|.
    Saved: nothing.
    Kinks: of the gradient at |g| = c. A gradient with NaN or infinity gives NaN alone.
    Source: Pascanu, Mikolov & Bengio (2012), arXiv:1211.5063, section 3.2.
    """
    (x,) = floats("clip_gradient", x=x)
    if not max_norm > 0:
        raise ValueError(f"clip_gradient: max_norm must be above 0, got {max_norm}")
    return _clip_gradient(x, float(max_norm))


def _reference(x, max_norm):
    return x


def _pullback(x, max_norm, g):
    square = (g * g).sum()
    longer = square > max_norm * max_norm
    norm = jnp.sqrt(jnp.where(longer, square, 1))
    return (jnp.where(longer, g * (max_norm / norm), g),)


def _forward(x, max_norm):
    return x, None


def _backward(max_norm, saved, g):
    g = wide(g)
    norm = length(g, axes=tuple(range(g.ndim)))
    short = norm.root <= max_norm / norm.unit
    inverse = jnp.where(norm.root < jnp.inf, norm.inverse, jnp.nan)

    def shortened(u, unit, g, short, inverse):
        return jnp.where(short, g, u * inverse * max_norm)

    return (by_unit(shortened, g, norm.unit, g, short, inverse),)


def _cases(normal):
    for shape in [(), (5,), (2, 3), (0, 3)]:
        yield normal(*shape), 1.0
    yield normal(2, 1, 3), 100.0
    yield normal(3), 0.01


_clip_gradient = rule(
    _reference,
    _forward,
    _backward,
    static="max_norm",
    cases=_cases,
    surrogate=Pullback(_pullback),
)
