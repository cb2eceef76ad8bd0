"""The plain recurrence h_t = tanh(x_t K + h_(t-1) R + b)."""

import functools

import jax
import jax.numpy as jnp

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
from funcnn.ops._recurrence._slopes import tanh_slope
from funcnn.rules import rule


def rnn(
    x: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None = None,
    carry: jax.Array | None = None,
    *,
    mask: jax.Array | None = None,
    reverse: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Plain recurrent net: all states h_t = tanh(x_t K + h_(t-1) R + b), and the last.

    `reverse` goes from the last step to the first; outputs stay at their steps. Where
    `mask` is False the step is left out: the state is held, and is the output. So
    padding on either side is skipped in both directions, and what stands in x there,
    even NaN, has no influence and a gradient of 0.

    Shapes: x (..., time, n), kernel (n, h), recurrent_kernel (h, h), bias (h,),
            carry (..., h), zeros by default, mask (..., time) of booleans -> outputs
            (..., time, h) and a carry.
    Dtypes: the arguments' common float dtype; computed, and carried on, in float32 or
            wider.
    Errors: ShapeError, DtypeError unless these fit.

    Gradient. Let dh be the cotangent of the state after step t, that of the output
    added to it, h' the state before it, and a = x_t K + h' R + b. Then
        da = dh tanh'(a) = dh 4 s(2a) s(-2a),   dh' = da R^T,
    and the step before has dh' (at a step that is left out: dh, and da = 0). With all
    da there, one product each over all steps gives
        dx = da K^T,  dK = sum x_t^T da_t,  dR = sum h'_t^T da_t,  db = sum da_t.
    The slope, in the logistic function s, keeps its digits where tanh saturates.
    Saved: x, the kernels, the initial state and, for each step, a in float32 or wider;
    with a mask h (the output) too, which else is tanh(a).
    Kinks: none.
    Source: Elman (1990), Cognitive Science 14. It is Flax's `SimpleCell`; PyTorch's
    `RNN` has two biases, of which this is the sum, and transposed kernels.
    """
    arrays = {"x": x, "kernel": kernel, "recurrent_kernel": recurrent_kernel}
    a = recurrent_arguments("rnn", 1, mask, **arrays, bias=bias, h=carry)
    y, (h,) = with_leading(jnp.shape(x)[:-2], *_rnn(**a, reverse=bool(reverse)))
    return y, h


def _reference(x, kernel, recurrent_kernel, bias, h, mask, reverse):
    def step(carry, x):
        a = x @ kernel + carry[0] @ recurrent_kernel
        return (jnp.tanh(a if bias is None else a + bias),), None

    x = steps_of(x, mask)
    last, ((y,), _) = scan_steps(step, (h,), x, mask, reverse)
    return time_first(y), *last


def _forward(x, kernel, recurrent_kernel, bias, h, mask, reverse):
    recurrent, b = wide(recurrent_kernel), 0 if bias is None else wide(bias)

    def step(carry, a):
        a = a + b
        return (jnp.tanh(a),), a

    carry = (wide(h),)
    (last,), ((y,), a) = scan_products(step, carry, x, kernel, recurrent, mask, reverse)
    y = time_first(y).astype(x.dtype)
    held = None if mask is None else y  # else tanh(a), which is made again
    saved = x, kernel, recurrent_kernel, presence(bias), h, mask, held, a
    return (y, last.astype(x.dtype)), saved


def _backward(reverse, saved, cotangents):
    x, kernel, recurrent_kernel, bias, h, mask, held, a = saved
    g, last = cotangents
    y = jnp.tanh(a) if held is None else time_first(held)
    turned = transposed_first(wide(recurrent_kernel))

    def step(carry, a):
        da = carry[0] * tanh_slope(a)
        return (product(da, turned),), da

    def sums(da, h_before):
        return kernel_cotangent(h_before, da), bias_cotangent(bias, da)

    carry, h_before = (wide(last),), wide(before(h, y, reverse))
    (dh,), dx, dkernel, (drecurrent, dbias) = scan_back(
        step, sums, carry, g, a, h_before, x, kernel, mask, reverse
    )
    return dx, dkernel, drecurrent, dbias, dh, None


_rnn = rule(
    _reference,
    _forward,
    _backward,
    static="reverse",
    cases=functools.partial(recurrent_cases, gates=1, states=1),
)
