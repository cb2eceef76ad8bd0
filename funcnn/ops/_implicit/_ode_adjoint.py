"""An ordinary differential equation, differentiated by its adjoint equation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from funcnn._jax import scan
from funcnn.ops._arguments import wide
from funcnn.ops._functions import pullback, wide_floats, zeros_of_floats
from funcnn.ops._implicit._runge_kutta import (
    advanced,
    intervals,
    ode_arguments,
    reference,
    slope_of,
    solution,
)
from funcnn.rules import rule


def ode_adjoint(
    f: Callable[[Any, jax.Array, jax.Array], jax.Array],
    params: Any,
    y0: jax.Array,
    times: jax.Array,
    *,
    steps: int = 16,
) -> jax.Array:
    """`ode_checkpointed`, whose backward pass solves an equation of its own.

    The solution of dy/dt = f(params, t, y) at `times`, from y = y0 at the first, by
    the classic Runge-Kutta method with `steps` steps of one size from each time to
    the next. The gradient is that of the true solution, computed with as many steps:
    from the gradient of the computed one it differs by what the method is off, of the
    order of the fourth power of the step. In return the backward pass needs memory
    for one state, however many steps there are. `f` may close over arrays, and their
    gradients come too.

    Shapes: y0 of any shape, times (k,), t () and f(params, t, y) of the shape of y0
            -> (k, ...), y0 the first. The leaves of `params` may have any shapes, and
            any dtypes but complex ones.
    Dtypes: the common float dtype of y0, times and the floats of params; integers
            count as floats. f is called in float32 or wider.
    Units:  f gives those of y by those of t.
    Errors: TypeError, ShapeError or DtypeError for an f that does not give one array
            of floats of the shape of y0; ShapeError unless times are (k,), k >= 1;
            ValueError for fewer than one step.

    Gradient. Let a(t) = dL/dy(t) be what a change of the state at t does to the loss
    by the times from t on. Moving y by dy at t moves it by dy + dt f_y dy at t + dt,
    and dparams by dparams moves it there by dt f_p dparams besides, so
        da/dt = -f_y^T a,     dparams = integral of f_p^T a dt,
    where f_y = df/dy, f_p = df/dparams at (t, y(t)). With a = g_k at the last time,
    both are solved backwards, together with y itself from the solution that was saved
    at the end of each interval; at each time its g_i is added to a. At the first a is
    dy0. Moving time i > 0 moves y(t_i) by f dt_i, and moving time 0 moves all that
    follows by as much as the opposite change of y0 does:
        dt_i = <g_i, f(t_i, y_i)>,    dt_0 = -<a(t_0) - g_0, f(t_0, y_0)>.
    Saved: params, times and the solution at each of them.
    Kinks: those of f. Where the equation forgets, as dy/dt = -c y with a large c, it
    is unstable backwards: take more times, or `ode_checkpointed`.
    Source: Chen, Rubanova, Bettencourt & Duvenaud (2018), arXiv:1806.07366;
    Pontryagin et al. (1962). JAX's experimental `odeint` is the same with steps that
    adapt to an error.
    """
    return _ode_adjoint(*ode_arguments("ode_adjoint", f, params, y0, times, steps))


def _forward(f, params, y0, times, steps):
    ys = solution(f, params, y0, times, steps)
    return ys.astype(y0.dtype), (params, times, ys)


def _backward(f, steps, saved, g):
    params, times, ys = saved
    params, times, g = wide_floats(params), wide(times), wide(g)
    _, sizes, numbers = intervals(times, steps)

    def backwards(t, state):
        y, a, _ = state
        slope, pull = pullback(lambda p, y: slope_of(f, p)(t, y), params, y)
        dparams, dy = pull(a)
        return slope, -dy, jax.tree.map(jnp.negative, dparams)

    def interval(carry, here):
        end, h, y, g = here
        a, dparams = carry
        state = advanced(backwards, end, -h, (y, a + g, dparams), numbers)
        return state[1:], (g * slope_of(f, params)(end, y)).sum()

    start = jnp.zeros_like(g[0]), zeros_of_floats(params)
    ends = times[1:], sizes, ys[1:], g[1:]
    (a, dparams), dtimes = scan(interval, start, ends, reverse=True)
    first = -(a * slope_of(f, params)(times[0], ys[0])).sum()
    return dparams, a + g[0], jnp.concatenate([first[None], dtimes])


def _slowly(params, t, y):
    """So smooth that what the method is off does not show."""
    return jnp.sin(params[0]) - jnp.sin(params[1:] + 0.01 * (t + y[..., ::-1]))


def _cases(normal):
    yield _slowly, normal(4), normal(3), jnp.array([0.1, 0.4, 0.9]), 7
    yield _slowly, normal(3), normal(3, 2), jnp.array([0.6, 0.1]), 7
    yield _slowly, normal(3), normal(0, 2), jnp.array([0.3]), 2  # nothing to do


_ode_adjoint = rule(
    reference,
    _forward,
    _backward,
    static=["f", "steps"],
    cases=_cases,
    name="ode_adjoint",
)
