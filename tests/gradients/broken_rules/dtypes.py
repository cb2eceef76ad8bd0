"""Cotangents of the wrong dtype, and sums and residuals of too little precision."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from .example import Example, elementwise, normals, reverse_rule

normal = normals(9)
bfloat16 = ml_dtypes.bfloat16

scaled_tanh = reverse_rule(
    lambda x: jnp.tanh(x),
    lambda x: (jnp.tanh(x), x.astype(jnp.float32)),
    lambda x, g: (g.astype(jnp.float32) * (1 - jnp.tanh(x) ** 2),),
)


@jax.custom_vjp
def mixed_matmul(x, kernel):
    return (x @ kernel.astype(x.dtype)).astype(jnp.float32)


mixed_matmul.defvjp(
    lambda x, kernel: (mixed_matmul(x, kernel), (x, kernel.astype(x.dtype))),
    # the kernel is float32, its cotangent bfloat16
    lambda saved, g: (
        (g.astype(saved[0].dtype) @ saved[1].T),
        saved[0].T @ g.astype(saved[0].dtype),
    ),
)


def _add_bias_backward(saved, g):
    total, _ = jax.lax.scan(lambda total, row: (total + row, None), g[0] * 0, g)
    return g, total


# of 8192 summands a bfloat16 sum takes in the first few hundred
bias_summed_in_bfloat16 = reverse_rule(
    lambda x, bias: x + bias, lambda x, bias: (x + bias, ()), _add_bias_backward
)


def _weighted_mean(x, weight):
    return (x.astype(jnp.float32) * weight).mean(0).astype(x.dtype)


def _weight_backward(saved, g):
    x, weight = saved
    total, _ = jax.lax.scan(lambda t, row: (t + row, None), g * 0, jnp.asarray(x))
    dx = jnp.broadcast_to(g * weight / x.shape[0], x.shape)
    return dx, g * (total / x.shape[0])


weight_summed_in_float16 = reverse_rule(
    _weighted_mean, lambda x, w: (_weighted_mean(x, w), (x, w)), _weight_backward
)

sine_of_rounded_input = reverse_rule(
    lambda x: jnp.sin(x),
    lambda x: (jnp.sin(x), x.astype(jnp.bfloat16)),
    lambda x, g: (g * jnp.cos(x.astype(g.dtype)),),
)

exponential_through_float16 = elementwise(
    lambda x: jnp.exp(x), lambda x: jnp.exp(x.astype(jnp.float16)).astype(x.dtype)
)


def _root_of_squares(x):
    wide = x.astype(jnp.float32)
    return jnp.sqrt((wide**2).sum(-1)).astype(x.dtype)


def _root_backward(x, g):
    return ((g / jnp.sqrt((x**2).sum(-1)))[..., None] * x,)


# 300 ** 2 is more than float16 holds
norm_overflowing_in_float16 = reverse_rule(
    _root_of_squares, lambda x: (_root_of_squares(x), x), _root_backward
)


def _small_rms(x):
    wide = x.astype(jnp.float32)
    r = jax.lax.rsqrt((wide**2).mean(-1, keepdims=True) + 1e-12)
    return (wide * r).astype(x.dtype)


def _small_rms_backward(x, g):
    # 1e-12 is zero in float16 and so are the squares
    r = jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + jnp.asarray(1e-12, x.dtype))
    return (r * (g - x * r * r * (g * x).mean(-1, keepdims=True)),)


rms_underflowing_in_float16 = reverse_rule(
    _small_rms, lambda x: (_small_rms(x), x), _small_rms_backward
)


def _truncated_backward(x, g):
    return (jnp.trunc(g * 2 * x * 64) / 64,)


square_in_fixed_point = reverse_rule(
    lambda x: x**2, lambda x: (x**2, x), _truncated_backward
)

scale_by_count = reverse_rule(
    lambda x, count: x * count,
    lambda x, count: (x * count, count),
    lambda count, g: (g * count.astype(jnp.int8).astype(g.dtype), None),
)

EXAMPLES = (
    Example(
        "float32_cotangent_of_bfloat16",
        scaled_tanh,
        (normal(6, dtype=bfloat16),),
        "The cotangent of a bfloat16 argument is float32.",
    ),
    Example(
        "float32_cotangent_of_float16_in_a_sum",
        lambda x: scaled_tanh(x).astype(jnp.float32).sum(),
        (normal(6, dtype=np.float16),),
        "The cotangent of a float16 argument is float32.",
    ),
    Example(
        "bfloat16_cotangent_of_float32",
        mixed_matmul,
        (normal(4, 3, dtype=bfloat16), normal(3, 2)),
        "The cotangent of a float32 kernel is bfloat16.",
    ),
    Example(
        "bias_summed_in_bfloat16",
        bias_summed_in_bfloat16,
        (normal(8192, 2, dtype=bfloat16), normal(2, dtype=bfloat16)),
        "8192 rows are summed one by one in bfloat16, as the weight gradient was in "
        "linkedin/Liger-Kernel#950.",
    ),
    Example(
        "weight_summed_in_float16",
        weight_summed_in_float16,
        (
            (np.abs(normal(16384, 1)) + 0.5).astype(np.float16),
            normal(1, dtype=np.float16),
        ),
        "16384 inputs are summed one by one in float16: the sum stays at 4096.",
    ),
    Example(
        "residual_rounded_to_bfloat16",
        sine_of_rounded_input,
        (normal(6, scale=3),),
        "A float32 input is saved in bfloat16.",
    ),
    Example(
        "slope_through_float16",
        exponential_through_float16,
        (normal(5),),
        "The slope is computed in float16; above 11 it is infinite.",
    ),
    Example(
        "norm_overflowing_in_float16",
        norm_overflowing_in_float16,
        (normal(2, 4, scale=400, dtype=np.float16),),
        "The squares overflow in float16: the gradient is zero.",
    ),
    Example(
        "norm_overflowing_in_float16_at_small_inputs",
        norm_overflowing_in_float16,
        (normal(2, 4, dtype=np.float16),),
        "The squares overflow in float16 from 256 on; the inputs here are small.",
    ),
    Example(
        "rms_underflowing_in_float16",
        rms_underflowing_in_float16,
        (normal(2, 4, scale=1e-4, dtype=np.float16),),
        "The squares are zero in float16 and so is the eps: infinite or NaN.",
    ),
    Example(
        "gradient_in_fixed_point",
        square_in_fixed_point,
        (normal(6),),
        "The gradient is cut to multiples of 1/64.",
    ),
    Example(
        "integer_argument_narrowed",
        scale_by_count,
        (normal(3), np.array([5, 300, -2], np.int32)),
        "The integer factor goes through int8 in the backward pass.",
    ),
)
