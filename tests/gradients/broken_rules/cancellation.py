"""Rules that overflow or cancel at large inputs where the truth is ordinary."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, elementwise, normals, reverse_rule

normal = normals(12)
saturated = np.array([-200.0, 0.5, 200.0], np.float32)

softplus_by_quotient = elementwise(
    lambda x: jax.nn.softplus(x), lambda x: jnp.exp(x) / (1 + jnp.exp(x))
)

log_cosh = elementwise(
    lambda x: jnp.logaddexp(x, -x) - np.log(2), lambda x: jnp.sinh(x) / jnp.cosh(x)
)

log_sigmoid = elementwise(
    lambda x: -jax.nn.softplus(-x), lambda x: jnp.exp(-x) / (1 + jnp.exp(-x))
)


def _naive_softmax_backward(x, g):
    e = jnp.exp(x)
    y = e / e.sum(-1, keepdims=True)
    return (y * (g - (g * y).sum(-1, keepdims=True)),)


softmax_without_shift = reverse_rule(
    lambda x: jax.nn.softmax(x),
    lambda x: (jax.nn.softmax(x), x),
    _naive_softmax_backward,
)


def _binary_loss(logit, target):
    return jax.nn.softplus(logit) - target * logit


def _binary_backward(saved, g):
    logit, target = saved
    p = jax.nn.sigmoid(logit)
    # the quotient is 0 / 0 where the sigmoid is 0 or 1
    return g * (p - target) / (p * (1 - p)) * p * (1 - p), -g * logit


binary_loss = reverse_rule(
    _binary_loss, lambda x, t: (_binary_loss(x, t), (x, t)), _binary_backward
)


def _standardize(x):
    centered = x - x.mean(-1, keepdims=True)
    return centered * jax.lax.rsqrt((centered**2).mean(-1, keepdims=True) + 1e-6)


def _standardize_backward(x, g):
    mean = x.mean(-1, keepdims=True)
    # the difference of two large numbers
    var = (x**2).mean(-1, keepdims=True) - mean**2
    r = jax.lax.rsqrt(var + 1e-6)
    y = (x - mean) * r
    return (r * (g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True)),)


standardize = reverse_rule(
    _standardize, lambda x: (_standardize(x), x), _standardize_backward
)


def _length(x, y):
    top = jnp.maximum(jnp.abs(x), jnp.abs(y))
    return top * jnp.sqrt((x / top) ** 2 + (y / top) ** 2)


def _length_backward(saved, g):
    x, y = saved
    r = jnp.sqrt(x**2 + y**2)
    return g * x / r, g * y / r


length = reverse_rule(_length, lambda x, y: (_length(x, y), (x, y)), _length_backward)


def _sum_exp_backward(x, g):
    return (g * jnp.exp(x) / jnp.exp(x).sum(),)


log_sum_exp = reverse_rule(
    lambda x: jax.nn.logsumexp(x), lambda x: (jax.nn.logsumexp(x), x), _sum_exp_backward
)


def _mish(x):
    return x * jnp.tanh(jax.nn.softplus(x))


def _mish_slope(x):
    w = jnp.exp(3 * x) + 4 * jnp.exp(2 * x) + (6 + 4 * x) * jnp.exp(x) + 4 * (1 + x)
    return jnp.exp(x) * w / (jnp.exp(2 * x) + 2 * jnp.exp(x) + 2) ** 2


mish = elementwise(_mish, _mish_slope)


EXAMPLES = (
    Example(
        "softplus_by_quotient_saturated",
        softplus_by_quotient,
        (saturated,),
        "exp(x) / (1 + exp(x)) is NaN at 200, the slope is 1.",
    ),
    Example(
        "softplus_by_quotient",
        softplus_by_quotient,
        (normal(5),),
        "exp(x) / (1 + exp(x)) is NaN from 89 on; the inputs here are small.",
    ),
    Example(
        "log_cosh_by_quotient",
        log_cosh,
        (normal(5),),
        "sinh(x) / cosh(x) is NaN at large inputs; these are small.",
    ),
    Example(
        "log_sigmoid_by_quotient",
        log_sigmoid,
        (saturated,),
        "exp(-x) / (1 + exp(-x)) is NaN at -200, the slope is 1.",
    ),
    Example(
        "softmax_without_shift",
        softmax_without_shift,
        (normal(2, 4),),
        "The backward pass does not subtract the maximum: NaN for logits of 100.",
    ),
    Example(
        "softmax_without_shift_saturated",
        softmax_without_shift,
        (np.array([[120.0, 118.0, 0.0]], np.float32),),
        "The backward pass does not subtract the maximum.",
    ),
    Example(
        "binary_loss_by_quotient",
        binary_loss,
        (saturated, np.array([1.0, 0.0, 0.0], np.float32)),
        "The chain rule through log(p) and log(1 - p) is 0 / 0 when saturated.",
    ),
    Example(
        "standardize_by_difference_of_squares",
        standardize,
        (normal(3, 8) + 3000,),
        "E[x^2] - E[x]^2 cancels in float32 where the mean is large.",
    ),
    Example(
        "length_overflowed",
        length,
        (normal(3, scale=1e25), normal(3, scale=1e25)),
        "The squares overflow in the backward pass: a gradient of zero.",
    ),
    Example(
        "log_sum_exp_without_shift",
        log_sum_exp,
        (np.array([95.0, 94.0, -10.0], np.float32),),
        "exp(x) overflows in the backward pass.",
    ),
    Example(
        "mish_in_powers_of_exp",
        mish,
        (normal(6),),
        "exp(3 x) overflows from 30 on and gives NaN; the inputs here are small.",
    ),
)
