"""Root of a monotone function, differentiated by the implicit function theorem."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import scan
from funcnn.ops._arguments import wide
from funcnn.ops._functions import pullback, static_function, wide_floats, with_params
from funcnn.rules import rule


def monotone_root(
    f: Callable[[Any, jax.Array], jax.Array],
    params: Any,
    low: jax.Array,
    high: jax.Array,
    *,
    iterations: int = 64,
) -> jax.Array:
    """The x between `low` and `high` where f(params, x) = 0, for f that grows with x.

    f has to be elementwise: an entry of what it gives depends on x by the same entry
    alone, and does not fall with it. So it inverts distribution functions, or finds
    the threshold at which a sum is 1. The interval is halved `iterations` times, and
    then come three of Newton's steps. Where f(params, low) > 0 or f(params, high) < 0
    there is no root, and the result and its gradient are NaN. `f` may close over
    arrays, and their gradients come too.

    Shapes: low, high and f(params, x) broadcast to one shape, that of x -> the same.
            The leaves of `params` may have any shapes, and any dtypes but complex
            ones.
    Dtypes: the common float dtype of low, high and the floats of params; integer
            bounds count as floats. f is called in float32 or wider.
    Units:  x has those of low and high.
    Errors: TypeError, ShapeError or DtypeError for an f that does not give one array
            of floats of the shape of x; ValueError for shapes that do not broadcast
            and for a negative number of iterations.

    Gradient. f(params, x) = 0 gives F dparams + s dx = 0 with F = df/dparams, and with
    the slopes s = df/dx of the entries, so
        dparams = -F^T (g / s).
    The root does not depend on the interval: low and high get None. A second
    derivative needs that of x, which the halving has not, and each of Newton's steps
    has: after n of them the first 2^n - 1 derivatives are right.
    Saved: params and x, and no step.
    Kinks: where s = 0, at a root that is a multiple one, the gradient is infinite or
    NaN; x itself is right to as many digits as f tells.
    Source: the implicit function theorem; Griewank & Walther (2008), chapter 15.
    """
    if int(iterations) < 0:
        raise ValueError(f"monotone_root: iterations must be >= 0, got {iterations}")
    params, low, high = with_params("monotone_root", params, low=low, high=high)
    low, high = _broadcast(f, params, low, high)
    f, closure = static_function("monotone_root", f, params, low, like=low)
    return _monotone_root(f, (params, closure), low, high, int(iterations))


def _broadcast(f, params, low, high):
    """The bounds in the shape of the roots, which f may make larger."""
    low, high = jnp.broadcast_arrays(low, high)
    given = jax.eval_shape(lambda *a: f(*a), *wide_floats((params, low)))
    with contextlib.suppress(ValueError):  # `static_function` says what does not fit
        shape = jnp.broadcast_shapes(low.shape, getattr(given, "shape", ()))
        return jnp.broadcast_to(low, shape), jnp.broadcast_to(high, shape)
    return low, high


_NEWTON_STEPS = 3


def _reference(f, params, low, high, iterations):
    dtype, params = low.dtype, wide_floats(params)
    low, high = wide(low), wide(high)
    has_root = (f(params, low) <= 0) & (f(params, high) >= 0)
    x, width = _halved(f, params, low, high, iterations)
    for _ in range(_NEWTON_STEPS):
        x, step = _newton(f, params, x, low, high)
    eps, size = jnp.finfo(x.dtype).eps, jnp.abs(low) + jnp.abs(high)
    # the next of Newton's steps would be the square of this
    near = (width <= 2 * eps * size) | (jnp.abs(step) <= eps**0.5 * size)
    return jnp.where(has_root & near, x, jnp.nan).astype(dtype)


def _halved(f, params, low, high, iterations):
    """The middle of the last interval, and its width."""

    def halve(interval, _):
        low, high = interval
        middle = low + (high - low) / 2
        below = f(params, middle) < 0
        return (jnp.where(below, middle, low), jnp.where(below, high, middle)), None

    (low, high), _ = scan(halve, (low, high), length=iterations)
    # a step from here has the derivative, which this has not
    return lax.stop_gradient((low + (high - low) / 2, high - low))


def _newton(f, params, x, low, high):
    """A step where there is a slope and it stays inside; and the step itself."""
    value, pull = jax.vjp(lambda x: f(params, x).astype(x.dtype), x)
    slope = pull(jnp.ones_like(value))[0]
    steep = slope > 0
    step = jnp.where(steep, value / jnp.where(steep, slope, 1), jnp.inf)
    moved = x - step
    return jnp.where((moved >= low) & (moved <= high), moved, x), step


def _forward(f, params, low, high, iterations):
    x = _reference(f, params, wide(low), wide(high), iterations)
    return x.astype(low.dtype), (params, x)


def _backward(f, iterations, saved, g):
    params, x = saved
    value, pull = pullback(f, wide_floats(params), x)
    slope = pull(jnp.ones_like(value))[1]
    return pull((-wide(g) / slope).astype(value.dtype))[0], None, None


def _line(params, x):
    return (1 + params[0] ** 2) * x + params[1:]


def _curve(params, x):
    """Has its root between 0 and 2, whatever the parameters are."""
    return x + 0.3 * jnp.sin(params[0]) * jnp.sin(x) - 1 - 0.5 * jnp.sin(params[1:])


def _cases(normal):
    yield _curve, normal(4), jnp.full(3, -1.0), jnp.full(3, 5.0), 7
    yield _curve, normal(4), jnp.full((2, 3), -1.0), jnp.full((2, 3), 5.0), 40
    yield _line, normal(2), jnp.full(1, -9.0), jnp.full(1, 9.0), 0
    yield _curve, normal(4), jnp.zeros((0, 3)), jnp.ones((0, 3)), 7


_monotone_root = rule(
    _reference, _forward, _backward, static=["f", "iterations"], cases=_cases
)
