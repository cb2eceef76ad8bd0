"""The minimal gated recurrent unit: gates that do not see the state."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import scan
from funcnn.ops._arguments import floats_or_none, same_shape, wide
from funcnn.ops._recurrence._linear_recurrence import (
    check_initial,
    recurrence,
    recurrence_cotangent,
)
from funcnn.ops._recurrence._sequences import before, check_mask
from funcnn.ops._recurrence._slopes import logistic_slope
from funcnn.rules import rule


def min_gru(
    gate: jax.Array,
    candidate: jax.Array,
    initial: jax.Array | None = None,
    *,
    positive: bool = False,
    mask: jax.Array | None = None,
    reverse: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Minimal gated recurrent unit: all states h, and the last one.

    With z = s(gate), s the logistic function, and h' the state before step t,
        h = (1 - z) h' + z c,
    c being the candidate or, with `positive`, which keeps h positive, f(candidate):
    f(v) = v + 1/2 for v >= 0 and s(v) below. Gate and candidate are usually two
    products with the input, and as neither sees the state, all steps are computed
    together, as by `linear_recurrence`. `reverse` goes from the last step to the
    first. Where `mask` is False the step is left out: the state is held, and is the
    output; what stands in gate and candidate there has no influence.

    Shapes: gate and candidate (..., time, n), initial (..., n), zeros by default, mask
            (..., time) of booleans -> states (..., time, n), and the last (..., n).
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  candidate, initial and h have the same (with `positive` none), gate none.
    Errors: ShapeError, DtypeError unless these fit.

    Gradient. This is a linear recurrence with a = 1 - z = s(-gate) and b = z c. With
    the whole cotangents dh_t = g_t + a_(t+1) dh_(t+1) of that, dinitial = a_1 dh_1,
    and at every step that is not left out, as s'(k) = s(k) s(-k),
        dgate = dh (c - h') s'(gate),    dcandidate = dh z f'(candidate),
    f' = 1 without `positive`, else 1 for v >= 0 and s'(v) below.
    Saved: gate, candidate and, for each step, h before it.
    Kinks: none, or with `positive` one at a candidate of 0, where the slope is 1; from
    below it is 1/4.
    Source: Feng, Tung, Ahmed, Bengio & Hajimirsadeghi (2024), arXiv:2410.01201. Their
    form in logarithms is `positive` computed in another way, and takes f of the
    initial state too. As 0 < a < 1, nothing overflows here either.
    """
    given = {"gate": gate, "candidate": candidate, "initial": initial}
    gate, candidate, initial = floats_or_none("min_gru", ["initial"], **given)
    same_shape("min_gru", gate=gate, candidate=candidate)
    initial = check_initial("min_gru", gate, initial)
    check_mask("min_gru", mask, gate.shape)
    mask = None if mask is None else jnp.asarray(mask)
    y = _min_gru(gate, candidate, initial, mask, bool(positive), bool(reverse))
    if not y.shape[-2]:
        return y, initial
    return y, y[..., 0 if reverse else -1, :]


def _value(v, positive):
    return jnp.where(v >= 0, v + 0.5, lax.logistic(v)) if positive else v


def _slope(v, positive):
    return jnp.where(v >= 0, 1, logistic_slope(v)) if positive else jnp.ones_like(v)


def _reference(gate, candidate, initial, mask, positive, reverse):
    def step(h, now):
        valid, k, v = now
        z = lax.logistic(k)
        new = (1 - z) * h + z * _value(v, positive)
        h = new if valid is None else jnp.where(valid[..., None], new, h)
        return h, h

    valid = None if mask is None else jnp.moveaxis(mask, -1, 0)
    steps = valid, jnp.moveaxis(gate, -2, 0), jnp.moveaxis(candidate, -2, 0)
    return jnp.moveaxis(scan(step, initial, steps, reverse=reverse)[1], 0, -2)


def _forward(gate, candidate, initial, mask, positive, reverse):
    k, v = wide(gate), wide(candidate)
    b = _kept(mask, lax.logistic(k) * _value(v, positive), 0)
    h = recurrence(_kept(mask, lax.logistic(-k), 1), b, wide(initial), reverse)
    y = h.astype(gate.dtype)
    return y, (gate, candidate, mask, before(initial, y, reverse, axis=-2))


def _kept(mask, x, otherwise):
    return x if mask is None else jnp.where(mask[..., None], x, otherwise)


def _backward(positive, reverse, saved, g):
    gate, candidate, mask, h_before = saved
    k, v = wide(gate), wide(candidate)
    a = _kept(mask, lax.logistic(-k), 1)
    dh, dinitial = recurrence_cotangent(a, wide(g), reverse)
    dk = dh * (_value(v, positive) - wide(h_before)) * logistic_slope(k)
    dv = dh * lax.logistic(k) * _slope(v, positive)
    return _kept(mask, dk, 0), _kept(mask, dv, 0), dinitial, None


def _cases(normal):
    def case(*shape, mask: Any = None, positive=False, reverse=False):
        initial = normal(*shape[:-2], shape[-1])
        mask = None if mask is None else jnp.array(mask, bool)
        return normal(*shape), normal(*shape), initial, mask, positive, reverse

    yield case(5, 3)
    yield case(2, 4, 2, positive=True, reverse=True)
    yield case(2, 4, 3, mask=[[1, 1, 0, 0], [1, 0, 1, 1]], reverse=True)
    yield case(3, 1, mask=[0, 1, 1], positive=True)
    gate, candidate, initial, _, _, _ = case(1, 4)
    gate, candidate = jnp.array([[40.0, -40, 0, 1]]), candidate.at[0, 1].set(0)
    yield gate, candidate, initial, None, True, False
    yield case(0, 3, 2)


_min_gru = rule(
    _reference, _forward, _backward, static=["positive", "reverse"], cases=_cases
)
