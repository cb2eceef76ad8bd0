"""The linear recurrence h_t = a_t h_(t-1) + b_t, elementwise."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import scan
from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats_or_none, same_shape, wide
from funcnn.ops._recurrence._sequences import before
from funcnn.rules import rule


def linear_recurrence(
    a: jax.Array,
    b: jax.Array,
    initial: jax.Array | None = None,
    *,
    reverse: bool = False,
) -> jax.Array:
    """All h_t = a_t h_(t-1) + b_t, elementwise; accelerators take log(time) steps.

    `reverse` goes from the last step to the first: h_t = a_t h_(t+1) + b_t. A step
    with a = 1 and b = 0 is left out; that is how to mask one.

    Shapes: a and b (..., time, n), initial (..., n), zeros by default ->
            (..., time, n). The last of it is ``h[..., -1, :]``.
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  b, the initial state and h have the same; a has none.
    Errors: ShapeError unless the shapes fit; TypeError unless all are floats. Except
            on CPU products of many a are made on the way: where these overflow though
            h does not, which takes |a| > 1, h is NaN.

    Two steps are one of the same kind, (a_1, b_1) then (a_2, b_2) being
    (a_2 a_1, a_2 b_1 + b_2), and that is associative: so all prefixes are found by
    halves, at about twice the work of a loop, which is what a CPU runs.

    Gradient. h_t acts through the output and through h_(t+1) = a_(t+1) h_t + b_(t+1),
    so the whole cotangents of h are the same recurrence, reversed:
        dh_t = g_t + a_(t+1) dh_(t+1),
    and        db_t = dh_t,   da_t = dh_t h_(t-1),   dinitial = a_1 dh_1.
    Saved: a and, for each step, h before it.
    Kinks: none.
    Source: Blelloch (1990), Prefix Sums and Their Applications, section 1.4; Martin &
    Cundy (2018), arXiv:1709.04057.
    """
    a, b, initial = floats_or_none(
        "linear_recurrence", ["initial"], a=a, b=b, initial=initial
    )
    same_shape("linear_recurrence", a=a, b=b)
    initial = check_initial("linear_recurrence", a, initial)
    return _linear_recurrence(a, b, initial, bool(reverse))


def check_initial(op: str, x: jax.Array, initial: jax.Array | None) -> jax.Array:
    """The initial state of x (..., time, n), zeros where it is None."""
    if x.ndim < 2:
        raise ShapeError(
            f"{op}: needs sequences of shape (..., time, n), got {x.shape}"
        )
    needed = (*x.shape[:-2], x.shape[-1])
    if initial is None:
        return jnp.zeros(needed, x.dtype)
    if initial.shape != needed:
        raise ShapeError(
            f"{op}: sequences of shape {x.shape} need an initial state {needed}, "
            f"got {initial.shape}"
        )
    return initial


def recurrence(
    a: jax.Array, b: jax.Array, initial: jax.Array, reverse: bool
) -> jax.Array:
    """The op, without its rule: a and b (..., time, n)."""
    if not a.shape[-2]:
        return b
    # A core does no more in one step than in another: the halves are twice the work.
    return lax.platform_dependent(
        a,
        b,
        initial,
        cpu=lambda a, b, initial: _by_steps(a, b, initial, reverse),
        default=lambda a, b, initial: _by_halves(a, b, initial, reverse),
    )


def _by_steps(a, b, initial, reverse):
    def step(h, now):
        a, b = now
        h = a * h + b
        return h, h

    steps = jnp.moveaxis(a, -2, 0), jnp.moveaxis(b, -2, 0)
    return jnp.moveaxis(scan(step, initial, steps, reverse=reverse)[1], 0, -2)


def _by_halves(a, b, initial, reverse):
    first = -1 if reverse else 0
    b = jnp.asarray(b).at[..., first, :].add(a[..., first, :] * initial)

    def then(one, two):
        return two[0] * one[0], two[0] * one[1] + two[1]

    return lax.associative_scan(then, (a, b), reverse=reverse, axis=a.ndim - 2)[1]


def recurrence_cotangent(
    a: jax.Array, g: jax.Array, reverse: bool
) -> tuple[jax.Array, jax.Array]:
    """The cotangents of b, dh, and of the initial state, from that of h."""
    none = jnp.zeros((*a.shape[:-2], a.shape[-1]), a.dtype)
    dh = recurrence(before(none, a, not reverse, axis=-2), g, none, not reverse)
    if not a.shape[-2]:
        return dh, none
    first = -1 if reverse else 0
    return dh, a[..., first, :] * dh[..., first, :]


def _forward(a, b, initial, reverse):
    h = recurrence(wide(a), wide(b), wide(initial), reverse)
    y = h.astype(a.dtype)
    return y, (a, before(initial, y, reverse, axis=-2))


def _backward(reverse, saved, g):
    a, h_before = saved
    dh, dinitial = recurrence_cotangent(wide(a), wide(g), reverse)
    return dh * wide(h_before), dh, dinitial


def _cases(normal):
    def case(*shape, reverse=False):
        return normal(*shape), normal(*shape), normal(*shape[:-2], shape[-1]), reverse

    yield case(5, 3)
    yield case(2, 6, 2, reverse=True)
    yield case(2, 1, 1, 3)
    a, b, initial, _ = case(4, 2)
    yield a.at[1, 0].set(0).at[2].set(1), b.at[2].set(0), initial, False
    yield case(0, 3, 2)


_linear_recurrence = rule(
    _by_steps,
    _forward,
    _backward,
    static="reverse",
    cases=_cases,
    name="linear_recurrence",
)
