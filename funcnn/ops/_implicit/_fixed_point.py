"""Fixed point of a function, differentiated by the implicit function theorem."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import scan
from funcnn.ops._arguments import wide
from funcnn.ops._functions import pullback, static_function, wide_floats, with_params
from funcnn.rules import rule


def fixed_point(
    f: Callable[[Any, jax.Array], jax.Array],
    params: Any,
    x0: jax.Array,
    *,
    iterations: int = 100,
    tolerance: float = 1e-3,
) -> jax.Array:
    """The z = f(params, z), by `iterations` turns of z <- f(params, z) from `x0`.

    Near z the function has to be a contraction. What is not a fixed point is not
    given out: an entry is NaN that the last turn moved by more than `tolerance` times
    the largest |z| (of those that it moved by no more than that share of their own),
    and so is a gradient whose own iteration came no nearer. ``f(params, z) - z``
    tells how near z is. `f` may close over arrays, and their gradients come too.

    Shapes: x0 of any shape, f(params, z) of the same -> the same. The leaves of
            `params` may have any shapes, and any dtypes but complex ones.
    Dtypes: the common float dtype of x0 and of the floats of params; f is called
            in float32 or wider.
    Units:  z has those of x0; `tolerance` has none.
    Errors: TypeError, ShapeError or DtypeError for an f that does not give one array
            of floats of the shape of x0; ValueError for fewer than one iteration.

    Gradient. With J = df/dz and F = df/dparams at the fixed point, z = f(params, z)
    gives dz = F dparams + J dz, that is dz = (1 - J)^-1 F dparams, so
        dparams = F^T u,    u = (1 - J^T)^-1 g.
    u is the fixed point of u <- g + J^T u, which is as much a contraction as f is,
    for J^T has the eigenvalues of J; it takes as many turns as its digits need, at
    most `iterations`. z does not depend on where the iteration began: x0 gets None.
    A second derivative needs that of z, by the turns of the forward pass: hence the
    fixed number of them.
    Saved: params and z, and no turn.
    Kinks: those of f.
    Source: Bai, Kolter & Koltun (2019), arXiv:1909.01377; Almeida (1987), Pineda
    (1987). JAXopt's `FixedPointIteration` ends early and takes what it has then.
    """
    if int(iterations) < 1:
        raise ValueError(f"fixed_point: iterations must be 1 or more, got {iterations}")
    params, x0 = with_params("fixed_point", params, x0=x0)
    f, closure = static_function("fixed_point", f, params, x0, like=x0)
    return _fixed_point(f, (params, closure), x0, int(iterations), float(tolerance))


def _reference(f, params, x0, iterations, tolerance):
    params = wide_floats(params)

    def turn(pair, _):
        z = f(params, pair[1]).astype(pair[1].dtype)
        return (pair[1], z), None

    start = lax.stop_gradient(wide(x0))  # has no effect in the end
    (before, z), _ = scan(turn, (start, start), length=iterations)
    return _where_near(z, z - before, tolerance).astype(x0.dtype)


def _where_near(x, change, tolerance):
    """NaN where an iteration still moves, by the size of those entries that stand."""
    size = jnp.abs(x)
    stands = (jnp.abs(change) <= tolerance * size) & jnp.isfinite(x)
    largest = jnp.where(stands, size, 0).max(initial=0)
    return jnp.where(jnp.abs(change) <= tolerance * largest, x, jnp.nan)


def _forward(f, params, x0, iterations, tolerance):
    z = _reference(f, params, wide(x0), iterations, tolerance)
    return z.astype(x0.dtype), (params, z)


def _backward(f, iterations, tolerance, saved, g):
    params, z = saved
    _, of_z = jax.vjp(lambda z: f(wide_floats(params), z).astype(z.dtype), z)

    def matvec(u):
        return u - of_z(u)[0]

    def solve(matvec, g):
        def more(carry):
            count, u, change = carry
            last_digits = 2 * jnp.finfo(u.dtype).eps * jnp.abs(u).max(initial=0)
            return (count < iterations) & (jnp.abs(change) > last_digits).any()

        def turn(carry):
            count, u, change = carry
            u = u + change
            return count + 1, u, g - matvec(u)

        _, u, change = lax.while_loop(more, turn, (0, jnp.zeros_like(g), g))
        return _where_near(u, change, tolerance)

    u = lax.custom_linear_solve(matvec, wide(g), solve, solve)
    _, of_params = pullback(f, wide_floats(params), z)
    return of_params(u)[0], None


def _cell(params, z):
    """A contraction, whatever the parameters are."""
    return jnp.tanh(params[0]) + 0.3 * jnp.tanh(z @ jnp.sin(params[1:]) / 3)


def _slightly(params, z):
    """One that needs a few turns only."""
    return jnp.sin(params) + 0.01 * jnp.sin(params + z[..., ::-1])


def _cases(normal):
    yield _slightly, normal(3), normal(2, 3), 7, 1e-6
    yield _slightly, normal(1), normal(1), 7, 1e-6
    yield _cell, normal(4, 3), normal(3), 40, 1e-6
    yield _cell, normal(3, 2), normal(0, 2), 40, 1e-6  # an empty batch
    yield _cell, normal(3, 2), jnp.zeros((1, 2)), 40, 1e-6


_fixed_point = rule(
    _reference,
    _forward,
    _backward,
    static=["f", "iterations", "tolerance"],
    cases=_cases,
)
