"""Gated recurrent units over a sequence."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._products._affine import (
    bias_cotangent,
    kernel_cotangent,
    presence,
    product,
)
from funcnn.ops._products._transposed import transposed_first
from funcnn.ops._recurrence._sequences import (
    recurrent_arguments,
    scan_back,
    scan_products,
    scan_steps,
    steps_of,
    time_first,
    with_leading,
)
from funcnn.ops._recurrence._slopes import logistic_slope, tanh_slope
from funcnn.rules import rule


def gru(
    x: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    recurrent_bias: jax.Array | None = None,
    carry: jax.Array | None = None,
    *,
    mask: jax.Array | None = None,
    reverse: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Gated recurrent unit: all hidden states h, and the last one.

    With (w_r, w_z, w_n) = x_t K + b and (u_r, u_z, u_n) = h' R, the thirds in this
    order, h' the state before step t, and s the logistic function,
        a_r = w_r + u_r,  a_z = w_z + u_z,  m = u_n + b_m,  a_n = w_n + s(a_r) m,
        h = (1 - z) n + z h'   with   z = s(a_z),  n = tanh(a_n).
    The reset gate s(a_r) multiplies the product with R and its bias b_m, and not the
    state that goes into it. `reverse` goes from the last step to the first; outputs
    stay at their steps. Where `mask` is False the step is left out: the state is held,
    and is the output. So padding on either side is skipped in both directions, and
    what stands in x there, even NaN, has no influence and a gradient of 0.

    Shapes: x (..., time, n), kernel (n, 3 h), recurrent_kernel (h, 3 h), bias (3 h,),
            recurrent_bias (h,), carry (..., h), zeros by default, mask (..., time) of
            booleans -> outputs (..., time, h) and a carry.
    Dtypes: the arguments' common float dtype; computed, and carried on, in float32 or
            wider.
    Errors: ShapeError, DtypeError unless these fit.

    Gradient. Let dh be the cotangent of the state after step t, that of the output
    added to it. By the chain rule, with the slopes s'(a) = s(a) s(-a) = z (1 - z) and
    tanh'(a) = 4 s'(2a), which keep their digits where a gate saturates,
        da_n = dh (1 - z) tanh'(a_n),      dm = da_n r,
        da_r = da_n m s'(a_r),             da_z = dh (h' - n) s'(a_z),
        dh'  = dh z + (da_r, da_z, dm) R^T,
    and the step before has dh' (at a step that is left out: dh, and da = dm = 0). With
    all of them there, one product each over all steps gives, da = (da_r, da_z, da_n),
        dx = da K^T,     dK = sum x_t^T da_t,    db = sum da_t,
        dR = sum h'_t^T (da_r, da_z, dm)_t,      db_m = sum dm_t.
    Saved: x, the kernels and, for each step, h', a_r, a_z, a_n and m in float32 or
    wider: five numbers per unit.
    Kinks: none.
    Source: Cho et al. (2014), arXiv:1406.1078, where r multiplies h' before the
    product; this is the form of Flax's `GRUCell`, with its biases ir, iz, in and hn,
    of PyTorch, whose biases hr and hz are to be added to ir and iz, and of Keras with
    `reset_after`, which has z before r.
    """
    arrays = {"x": x, "kernel": kernel, "recurrent_kernel": recurrent_kernel}
    biases = {"bias": bias, "recurrent_bias": recurrent_bias}
    a = recurrent_arguments("gru", 3, mask, **arrays, **biases, h=carry)
    y, (h,) = with_leading(jnp.shape(x)[:-2], *_gru(**a, reverse=bool(reverse)))
    return y, h


def _reference(x, kernel, recurrent_kernel, bias, recurrent_bias, h, mask, reverse):
    def step(carry, x):
        (h,) = carry
        a = x @ kernel if bias is None else x @ kernel + bias
        (a_r, a_z, a_n), (u_r, u_z, m) = (
            jnp.split(v, 3, axis=-1) for v in (a, h @ recurrent_kernel)
        )
        m = m if recurrent_bias is None else m + recurrent_bias
        n = jnp.tanh(a_n + lax.logistic(a_r + u_r) * m)
        z = lax.logistic(a_z + u_z)
        return ((1 - z) * n + z * h,), None

    x = steps_of(x, mask)
    last, ((y,), _) = scan_steps(step, (h,), x, mask, reverse)
    return time_first(y), *last


def _forward(x, kernel, recurrent_kernel, bias, recurrent_bias, h, mask, reverse):
    recurrent, b = wide(recurrent_kernel), 0 if bias is None else wide(bias)
    b_m = 0 if recurrent_bias is None else wide(recurrent_bias)

    def step(carry, w):
        (h,) = carry
        w, u = w + b, product(h, recurrent)
        (_, _, w_n), (_, _, m) = (jnp.split(v, 3, axis=-1) for v in (w, u))
        a_r, a_z, _ = jnp.split(w + u, 3, axis=-1)
        # The logistic function of all of it, and not of two thirds: see `lstm`.
        r, z, _ = jnp.split(lax.logistic(w + u), 3, axis=-1)
        m = m + b_m
        a_n = w_n + r * m
        return ((1 - z) * jnp.tanh(a_n) + z * h,), (h, (a_r, a_z, a_n, m))

    carry = (wide(h),)
    (last,), ((y,), steps) = scan_products(step, carry, x, kernel, None, mask, reverse)
    y = time_first(y).astype(x.dtype)
    biases = presence(bias), presence(recurrent_bias)
    saved = x, kernel, recurrent_kernel, biases, mask, steps
    return (y, last.astype(x.dtype)), saved


def _backward(reverse, saved, cotangents):
    x, kernel, recurrent_kernel, (b, b_m), mask, steps = saved
    g, last = cotangents
    turned = transposed_first(wide(recurrent_kernel))

    def step(carry, now):
        (dh,), (h, (a_r, a_z, a_n, m)) = carry, now
        da_n = dh * lax.logistic(-a_z) * tanh_slope(a_n)
        da_r = da_n * m * logistic_slope(a_r)
        da_z = dh * (h - jnp.tanh(a_n)) * logistic_slope(a_z)
        dm = da_n * lax.logistic(a_r)
        dh = dh * lax.logistic(a_z)
        dh += product(jnp.concatenate([da_r, da_z, dm], axis=-1), turned)
        return (dh,), jnp.concatenate([da_r, da_z, da_n], axis=-1)

    def sums(da, beside):
        h_before, a_r = beside
        da_rz, da_n = jnp.split(da, [2 * h_before.shape[-1]], axis=-1)
        # made again, for all steps would have kept it as long as they keep the gates
        dm = da_n * lax.logistic(a_r)
        drecurrent = [kernel_cotangent(h_before, du) for du in (da_rz, dm)]
        dbiases = bias_cotangent(b, da), bias_cotangent(b_m, dm)
        return jnp.concatenate(drecurrent, -1), dbiases

    h_before, (a_r, *_) = steps
    (dh,), dx, dkernel, (drecurrent, (dbias, dbias_m)) = scan_back(
        step,
        sums,
        (wide(last),),
        g,
        steps,
        (h_before, a_r),
        x,
        kernel,
        mask,
        reverse,
    )
    return dx, dkernel, drecurrent, dbias, dbias_m, dh, None


def _cases(normal):
    def case(batch, time, n, h, mask: Any = None, reverse=False, biases=(True, True)):
        return (
            normal(batch, time, n),
            normal(n, 3 * h),
            normal(h, 3 * h),
            normal(3 * h) if biases[0] else None,
            normal(h) if biases[1] else None,
            normal(batch, h),
            None if mask is None else jnp.array(mask, bool),
            reverse,
        )

    yield case(2, 3, 3, 2)
    yield case(2, 3, 2, 1, mask=[[1, 1, 0], [0, 1, 1]], biases=(False, True))
    yield case(2, 4, 1, 2, [[1, 1, 0, 0], [1, 0, 1, 1]], True, (True, False))
    yield case(1, 1, 2, 2, reverse=True, biases=(False, False))
    yield case(0, 2, 3, 1)


_gru = rule(_reference, _forward, _backward, static="reverse", cases=_cases)
