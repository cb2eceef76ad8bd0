"""An ordinary differential equation, differentiated step by step."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from funcnn._jax import scan
from funcnn.ops._arguments import wide
from funcnn.ops._functions import (
    pullback,
    wide_floats,
    zeros_of_floats,
)
from funcnn.ops._implicit._runge_kutta import (
    advanced,
    intervals,
    ode_arguments,
    reference,
    slope_of,
    solution,
)
from funcnn.rules import rule


def ode_checkpointed(
    f: Callable[[Any, jax.Array, jax.Array], jax.Array],
    params: Any,
    y0: jax.Array,
    times: jax.Array,
    *,
    steps: int = 16,
) -> jax.Array:
    """The solution of dy/dt = f(params, t, y) at `times`, from y = y0 at the first.

    By the classic Runge-Kutta method with `steps` steps of one size from each time to
    the next; times may fall, too. Its gradient is that of these very steps. `f` may
    close over arrays, and their gradients come too.

    Shapes: y0 of any shape, times (k,), t () and f(params, t, y) of the shape of y0
            -> (k, ...), y0 the first. The leaves of `params` may have any shapes, and
            any dtypes but complex ones.
    Dtypes: the common float dtype of y0, times and the floats of params; integers
            count as floats. f is called in float32 or wider.
    Units:  f gives those of y by those of t.
    Errors: TypeError, ShapeError or DtypeError for an f that does not give one array
            of floats of the shape of y0; ShapeError unless times are (k,), k >= 1;
            ValueError for fewer than one step.

    Gradient. A step of size h from (t, y), with a_1 = y and t_1 = t, is
        k_i = f(params, t_i, a_i),   a_2 = y + h/2 k_1,   a_3 = y + h/2 k_2,
        a_4 = y + h k_3,   t_2 = t_3 = t + h/2,   t_4 = t + h,
        y' = y + h/6 (k_1 + 2 k_2 + 2 k_3 + k_4).
    Let g = dL/dy' and v_i(c) the pullback of c through stage i, with parts v^p, v^t
    and v^y. The cotangents c_i of the k_i follow from the last to the first:
        c_4 = h/6 g,            c_3 = h/3 g + h v^y_4,
        c_2 = h/3 g + h/2 v^y_3,   c_1 = h/6 g + h/2 v^y_2,
    and with them
        dy = g + sum_i v^y_i,   dparams = sum_i v^p_i,   dt = sum_i v^t_i,
        dh = <g, k_1 + 2 k_2 + 2 k_3 + k_4> / 6 + <v^y_4, k_3> + <v^y_3, k_2> / 2
             + <v^y_2, k_1> / 2 + v^t_4 + (v^t_3 + v^t_2) / 2.
    Step n of an interval from s to e is at t = s + n h, with h = (e - s) / steps, so
    s gets sum_n dt_n - H and e gets H = sum_n (dh_n + n dt_n) / steps. At each time
    the cotangent of the solution is added to g.
    Saved: params, times and the solution at each of them. Inside an interval of n
    steps the states are made again in two levels, of some sqrt(n) each if n has a
    divisor near its root; the stages are made again within their step.
    Kinks: those of f.
    Source: Griewank & Walther (2008), chapter 12; Kutta (1901). In JAX's experimental
    `odeint` and in diffrax steps adapt to an error.
    """
    return _ode_checkpointed(
        *ode_arguments("ode_checkpointed", f, params, y0, times, steps)
    )


def _forward(f, params, y0, times, steps):
    ys = solution(f, params, y0, times, steps)
    return ys.astype(y0.dtype), (params, times, ys[:-1])


def _backward(f, steps, saved, g):
    params, times, before = saved
    params, g = wide_floats(params), wide(g)
    starts, sizes, numbers = intervals(wide(times), steps)
    chunks = numbers.reshape(-1, _divisor(steps))

    def interval(carry, here):
        y, start, h, g = here
        pulled, dparams = carry
        return _through_interval(f, params, start, h, y, chunks, (pulled + g, dparams))

    start = jnp.zeros_like(g[0]), zeros_of_floats(params)
    (dy0, dparams), (dt, dh) = scan(
        interval, start, (before, starts, sizes, g[1:]), reverse=True
    )
    dtimes = jnp.pad(dt - dh / steps, (0, 1)) + jnp.pad(dh / steps, (1, 0))
    return dparams, dy0 + g[0], dtimes


def _divisor(steps):
    """The largest divisor up to the square root."""
    return max(n for n in range(1, math.isqrt(steps) + 1) if steps % n == 0)


def _through_interval(f, params, start, h, y, chunks, carry):
    """Pulls back through all steps of an interval; and its cotangents of t and h."""
    slope = slope_of(f, params)

    def states(y, numbers):
        """The states before the steps, or chunks of steps, of these numbers."""
        rows = numbers.reshape(len(numbers), -1)
        return scan(lambda y, row: (advanced(slope, start, h, y, row), y), y, rows)[1]

    def step(carry, here):
        pulled, dparams = carry
        number, y = here
        more, dt, dh, pulled = _through_step(
            f, params, start + number * h, h, y, pulled
        )
        return (pulled, jax.tree.map(jnp.add, dparams, more)), (dt, dh + number * dt)

    def chunk(carry, here):
        numbers, y = here
        inside = numbers, states(y, numbers)
        carry, (dt, dh) = scan(step, carry, inside, reverse=True)
        return carry, (dt.sum(), dh.sum())

    before = states(y, chunks)
    carry, (dt, dh) = scan(chunk, carry, (chunks, before), reverse=True)
    return carry, (dt.sum(), dh.sum())


def _through_step(f, params, t, h, y, g):
    """The cotangents of params, t, h and y."""

    def stage(t, y):
        return pullback(lambda p, t, y: f(p, t, y).astype(y.dtype), params, t, y)

    k1, pull1 = stage(t, y)
    k2, pull2 = stage(t + h / 2, y + h / 2 * k1)
    k3, pull3 = stage(t + h / 2, y + h / 2 * k2)
    k4, pull4 = stage(t + h, y + h * k3)
    p4, t4, y4 = pull4(h / 6 * g)
    p3, t3, y3 = pull3(h / 3 * g + h * y4)
    p2, t2, y2 = pull2(h / 3 * g + h / 2 * y3)
    p1, t1, y1 = pull1(h / 6 * g + h / 2 * y2)
    dparams = jax.tree.map(lambda a, b, c, d: a + b + c + d, p1, p2, p3, p4)
    dh = (g * (k1 + 2 * k2 + 2 * k3 + k4)).sum() / 6 + (y4 * k3).sum()
    dh += (y3 * k2).sum() / 2 + (y2 * k1).sum() / 2 + t4 + (t3 + t2) / 2
    return dparams, t1 + t2 + t3 + t4, dh, g + y1 + y2 + y3 + y4


def _pendulums(params, t, y):
    pull = jnp.sin(params[1:] * y[..., ::-1] + t)
    return jnp.cos(t * params[0]) - pull


def _cases(normal):
    yield _pendulums, normal(4), normal(3), jnp.array([0.0, 0.5, 0.7]), 1
    yield _pendulums, normal(3), normal(3, 2), jnp.array([1.0, -0.5]), 6
    yield _pendulums, normal(3), normal(0, 2), jnp.array([0.3]), 2  # nothing to do


_ode_checkpointed = rule(
    reference,
    _forward,
    _backward,
    static=["f", "steps"],
    cases=_cases,
    name="ode_checkpointed",
)
