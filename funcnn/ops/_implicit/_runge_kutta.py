"""The classic Runge-Kutta method, and what the ops on it share."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from funcnn._jax import scan
from funcnn.errors import ShapeError
from funcnn.ops._arguments import wide
from funcnn.ops._functions import static_function, wide_floats, with_params


def ode_arguments(op, f, params, y0, times, steps):
    """The checked arguments of a rule, `steps` last."""
    if int(steps) < 1:
        raise ValueError(f"{op}: steps must be 1 or more, got {steps}")
    params, y0, times = with_params(op, params, y0=y0, times=times)
    if times.ndim != 1 or not times.size:
        raise ShapeError(f"{op}: times must have shape (k,), k >= 1, got {times.shape}")
    f, closure = static_function(op, f, params, times[0], y0, like=y0)
    return f, (params, closure), y0, times, int(steps)


def rk4(
    slope: Callable[[jax.Array, Any], Any], t: jax.Array, h: jax.Array, y: Any
) -> Any:
    """One step of size `h`; `y` is a pytree.

    Source: Kutta (1901); Hairer, Norsett & Wanner (1993), section II.1.
    """

    def moved(by, k):
        return jax.tree.map(lambda y, k: y + by * k, y, k)

    k1 = slope(t, y)
    k2 = slope(t + h / 2, moved(h / 2, k1))
    k3 = slope(t + h / 2, moved(h / 2, k2))
    k4 = slope(t + h, moved(h, k3))
    mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
    return moved(h, mean)


def advanced(
    slope: Callable[[jax.Array, Any], Any],
    start: jax.Array,
    h: jax.Array,
    y: Any,
    numbers: jax.Array,
) -> Any:
    """`y` after the steps of these numbers, the step of number 0 being at `start`."""

    def step(y, number):
        return rk4(slope, start + number * h, h, y), None

    return scan(step, y, numbers)[0]


def intervals(times: jax.Array, steps: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Where each interval starts, the size of its steps, and their numbers."""
    return times[:-1], jnp.diff(times) / steps, jnp.arange(steps, dtype=times.dtype)


def slope_of(f, params):
    """The slope as a function of time and state, which gives the state's dtype."""
    return lambda t, y: f(params, t, y).astype(y.dtype)


def solution(f, params, y0, times, steps):
    """The states at all times, in float32 or wider."""
    slope = slope_of(f, wide_floats(params))
    y0 = wide(y0)
    starts, sizes, numbers = intervals(wide(times), steps)

    def interval(y, where):
        start, h = where
        y = advanced(slope, start, h, y, numbers)
        return y, y

    _, ys = scan(interval, y0, (starts, sizes))
    return jnp.concatenate([y0[None], ys])


def reference(f, params, y0, times, steps):
    """The plain definition of both ops."""
    return solution(f, params, y0, times, steps).astype(y0.dtype)
