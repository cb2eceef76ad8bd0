"""Long short-term memory over a sequence."""

import functools

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
    before,
    recurrent_arguments,
    recurrent_cases,
    scan_back,
    scan_products,
    scan_steps,
    steps_of,
    time_first,
    with_leading,
)
from funcnn.ops._recurrence._slopes import logistic_slope, tanh_slope
from funcnn.rules import rule


def lstm(
    x: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    carry: tuple[jax.Array, jax.Array] | None = None,
    *,
    mask: jax.Array | None = None,
    reverse: bool = False,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Long short-term memory: all hidden states h, and the carry (h, c) at the end.

    With (a_i, a_f, a_g, a_o) = x_t K + h' R + b, the quarters in this order, h' and c'
    the carry before step t, and s the logistic function,
        i = s(a_i),  f = s(a_f),  g = tanh(a_g),  o = s(a_o),
        c = f c' + i g,  h = o tanh(c).
    `reverse` goes from the last step to the first; outputs stay at their steps. Where
    `mask` is False the step is left out: the carry is held, and the output is the h
    that it holds. So padding on either side is skipped in both directions, and what
    stands in x there, even NaN, has no influence and a gradient of 0.

    Shapes: x (..., time, n), kernel (n, 4 h), recurrent_kernel (h, 4 h), bias (4 h,),
            carry a pair of (..., h), zeros by default, mask (..., time) of booleans ->
            outputs (..., time, h) and a carry.
    Dtypes: the arguments' common float dtype; computed, and carried on, in float32 or
            wider.
    Errors: ShapeError, DtypeError unless these fit.

    Gradient. Let dh and dc be the cotangents of the carry after step t, that of the
    output added to dh. By the chain rule through h = o tanh(c) and c = f c' + i g
        dc <- dc + dh o tanh'(c),                            then
        da_i = dc g s'(a_i),       da_f = dc c' s'(a_f),
        da_g = dc i tanh'(a_g),    da_o = dh tanh(c) s'(a_o),
        dc' = dc f,                dh' = da R^T,
    and the step before has dh', dc' (at a step that is left out: dh, dc, and da = 0).
    With all da there, one product each over all steps gives
        dx = da K^T,  dK = sum x_t^T da_t,  dR = sum h'_t^T da_t,  db = sum da_t.
    The slopes are s'(a) = s(a) s(-a) and tanh'(a) = 4 s'(2a), which keep their digits
    where a gate saturates.
    Saved: x, the kernels, the initial h, h (the output), and for each step a and c' in
    float32 or wider: six numbers per unit; c is made again.
    Kinks: none.
    Source: Hochreiter & Schmidhuber (1997), Neural Computation 9; Gers, Schmidhuber &
    Cummins (2000), Neural Computation 12. Flax's `OptimizedLSTMCell` has these gates
    under the names i, f, g, o, its bias at the recurrent kernel, and its carry is
    (c, h); PyTorch has this order of gates, kernels transposed, and two biases, of
    which this is the sum.
    """
    h, c = (None, None) if carry is None else carry
    arrays = {"x": x, "kernel": kernel, "recurrent_kernel": recurrent_kernel}
    a = recurrent_arguments("lstm", 4, mask, **arrays, bias=bias, h=h, c=c)
    y, (h, c) = with_leading(jnp.shape(x)[:-2], *_lstm(**a, reverse=bool(reverse)))
    return y, (h, c)


def _reference(x, kernel, recurrent_kernel, bias, h, c, mask, reverse):
    def step(carry, x):
        h, c = carry
        a = x @ kernel + h @ recurrent_kernel
        i, f, g, o = jnp.split(a if bias is None else a + bias, 4, axis=-1)
        c = lax.logistic(f) * c + lax.logistic(i) * jnp.tanh(g)
        return (lax.logistic(o) * jnp.tanh(c), c), None

    x = steps_of(x, mask)
    last, ((y, _), _) = scan_steps(step, (h, c), x, mask, reverse)
    return time_first(y), *last


def _forward(x, kernel, recurrent_kernel, bias, h, c, mask, reverse):
    recurrent, b = wide(recurrent_kernel), 0 if bias is None else wide(bias)

    def step(carry, a):
        _, c_before = carry
        a = a + b
        # The logistic function of all of a, and not of three quarters: on CPU the
        # slices would keep it, and the read of the step, from being vectorized.
        i, f, _, o = jnp.split(lax.logistic(a), 4, axis=-1)
        c = f * c_before + i * jnp.tanh(jnp.split(a, 4, axis=-1)[2])
        return (o * jnp.tanh(c), c), (a, c_before)

    carry = wide(h), wide(c)
    last, ((y, _), steps) = scan_products(
        step, carry, x, kernel, recurrent, mask, reverse
    )
    y = time_first(y).astype(x.dtype)
    saved = (x, kernel, recurrent_kernel, presence(bias), h, mask, y, steps)
    return (y, *(last.astype(x.dtype) for last in last)), saved


def _backward(reverse, saved, cotangents):
    x, kernel, recurrent_kernel, bias, h, mask, y, steps = saved
    g, *last = cotangents
    turned = transposed_first(wide(recurrent_kernel))
    # tanh'(a) = 4 s'(2a): the slopes of all gates are r^2 s'(r a), r = 2 for a_g
    rate = jnp.repeat(jnp.array([1, 1, 2, 1], g.dtype), len(recurrent_kernel))

    def step(carry, now):
        (dh, dc), (a, c_before) = carry, now
        i, f, _, o = jnp.split(lax.logistic(a), 4, axis=-1)
        tanh_g = jnp.tanh(jnp.split(a, 4, axis=-1)[2])
        c = f * c_before + i * tanh_g
        dc = dc + dh * o * tanh_slope(c)
        parts = [dc * tanh_g, dc * c_before, dc * i, dh * jnp.tanh(c)]
        # All slopes together, so that XLA on CPU keeps the product below one product.
        da = jnp.concatenate(parts, axis=-1) * rate**2 * logistic_slope(rate * a)
        return (product(da, turned), dc * f), da

    def sums(da, h_before):
        return kernel_cotangent(h_before, da), bias_cotangent(bias, da)

    carry, h_before = tuple(map(wide, last)), wide(before(h, time_first(y), reverse))
    (dh, dc), dx, dkernel, (drecurrent, dbias) = scan_back(
        step, sums, carry, g, steps, h_before, x, kernel, mask, reverse
    )
    return dx, dkernel, drecurrent, dbias, dh, dc, None


_lstm = rule(
    _reference,
    _forward,
    _backward,
    static="reverse",
    cases=functools.partial(recurrent_cases, gates=4, states=2),
)
