"""Rules that are wrong at a tie or a kink, or that take it to be elsewhere.

Any value between the one-sided derivatives would be right at a kink; these are not.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, elementwise, normals, reverse_rule

normal = normals(5)

sine_without_large = elementwise(
    jnp.sin, lambda x: jnp.where(jnp.abs(x) > 6, 0, jnp.cos(x))
)

softplus_zero_at_zero = elementwise(
    jax.nn.softplus, lambda x: jax.nn.sigmoid(x) * (x != 0)
)

swish_zero_at_zero = elementwise(
    lambda x: x * jax.nn.sigmoid(x),
    lambda x: jnp.where(
        x == 0, 0, jax.nn.sigmoid(x) * (1 + x * (1 - jax.nn.sigmoid(x)))
    ),
)

absolute_by_division = elementwise(jnp.abs, lambda x: x / jnp.abs(x))

relu6_without_upper_bound = elementwise(
    lambda x: jnp.clip(x, 0, 6), lambda x: (x > 0).astype(x.dtype)
)

hard_tanh_with_other_bound = elementwise(
    lambda x: jnp.clip(x, -2, 2), lambda x: (jnp.abs(x) < 1).astype(x.dtype)
)

leaky_relu_with_mirrored_sides = elementwise(
    lambda x: jnp.where(x > 0, x, 0.01 * x), lambda x: jnp.where(x < 0, 1, 0.01)
)


def _elu(x):
    return jnp.where(x > 0, x, 0.5 * jnp.expm1(jnp.minimum(x, 0)))


elu_without_alpha = elementwise(
    _elu, lambda x: jnp.where(x > 0, 1, jnp.exp(jnp.minimum(x, 0)))
)


def _huber(x):
    return jnp.where(jnp.abs(x) < 1.5, x**2 / 2, 1.5 * (jnp.abs(x) - 0.75))


# the linear part has the slope 1.5
huber_of_unit_slope = elementwise(
    _huber, lambda x: jnp.where(jnp.abs(x) < 1.5, x, jnp.sign(x))
)


@jax.custom_vjp
def maximum(x, y):
    return jnp.maximum(x, y)


maximum.defvjp(
    lambda x, y: (jnp.maximum(x, y), (x, y)),
    lambda saved, g: (g * (saved[0] >= saved[1]), g * (saved[1] >= saved[0])),
)


@jax.custom_vjp
def minimum(x, y):
    return jnp.minimum(x, y)


minimum.defvjp(
    lambda x, y: (jnp.minimum(x, y), (x, y)),
    lambda saved, g: (g * (saved[0] < saved[1]), g * (saved[1] < saved[0])),
)


def _row_max_backward(x, g):
    return (g[..., None] * (x == x.max(-1, keepdims=True)),)


row_max = reverse_rule(lambda x: x.max(-1), lambda x: (x.max(-1), x), _row_max_backward)


def _pool(x):
    return x.reshape(x.shape[0] // 2, 2, -1).max(1)


def _pool_backward(x, g):
    top = jnp.repeat(_pool(x), 2, 0)
    return (jnp.repeat(g, 2, 0) * (x.reshape(top.shape) == top),)


max_pool = reverse_rule(_pool, lambda x: (_pool(x), x), _pool_backward)


def _sort_backward(order, g):
    return (g[order],)


sort_with_permutation = reverse_rule(
    lambda x: jnp.sort(x), lambda x: (jnp.sort(x), jnp.argsort(x)), _sort_backward
)


def _spread(x):
    return x.max() - x.min()


def _spread_backward(x, g):
    # of a constant array both ends are the same entry, and they do not cancel
    top = jnp.zeros_like(x).at[jnp.argmax(x)].set(g)
    return (top.at[jnp.argmin(x)].set(-g),)


spread = reverse_rule(_spread, lambda x: (_spread(x), x), _spread_backward)


def _median_backward(x, g):
    return (g * (x == jnp.median(x)).astype(x.dtype),)


median = reverse_rule(
    lambda x: jnp.median(x), lambda x: (jnp.median(x), x), _median_backward
)

rounded = np.array([0.5, -1.5, 2.0, 0.5], np.float32)

EXAMPLES = (
    Example(
        "large_inputs_without_gradient",
        sine_without_large,
        (normal(6),),
        "The gradient is zero when |x| > 6; the arguments here are small.",
    ),
    Example(
        "softplus_zero_at_zero",
        softplus_zero_at_zero,
        (np.array([-1.0, 0.0, 2.0], np.float32),),
        "The slope at zero is 0 where it is 0.5, as in jax-ml/jax#2107.",
    ),
    Example(
        "swish_zero_at_zero",
        swish_zero_at_zero,
        (normal(5),),
        "The slope at zero is 0 where it is 0.5; no argument here is zero.",
    ),
    Example(
        "absolute_by_division",
        absolute_by_division,
        (np.array([1.0, 0.0, -2.0], np.float32),),
        "x / |x| is NaN at zero, where every value in [-1, 1] would do.",
    ),
    Example(
        "relu6_without_upper_bound",
        relu6_without_upper_bound,
        (normal(5),),
        "Above 6 the gradient must be zero; the arguments here are below it.",
    ),
    Example(
        "hard_tanh_with_other_bound",
        hard_tanh_with_other_bound,
        (normal(9, scale=1.5),),
        "The gradient is cut off at 1, the forward pass at 2.",
    ),
    Example(
        "leaky_relu_with_mirrored_sides",
        leaky_relu_with_mirrored_sides,
        (normal(6),),
        "The slopes of the two sides are swapped.",
    ),
    Example(
        "elu_without_alpha",
        elu_without_alpha,
        (normal(6),),
        "alpha is forgotten on the negative side.",
    ),
    Example(
        "elu_without_alpha_at_positive_inputs",
        elu_without_alpha,
        (np.abs(normal(6)) + 0.1,),
        "alpha is forgotten on the negative side; the arguments are positive.",
    ),
    Example(
        "huber_of_unit_slope",
        huber_of_unit_slope,
        (np.array([0.3, -1.0, 2.5, -4.0], np.float32),),
        "The linear part has the slope 1 in place of delta.",
    ),
    Example(
        "maximum_full_to_both_at_ties",
        maximum,
        (rounded, rounded.copy()),
        "Where both are equal each gets the whole cotangent: twice too much.",
    ),
    Example(
        "maximum_full_to_both_at_ties_without_ties",
        maximum,
        (normal(4), normal(4)),
        "Where both are equal each gets the whole cotangent; here none are.",
    ),
    Example(
        "minimum_none_at_ties",
        minimum,
        (rounded, rounded[::-1].copy()),
        "Where both are equal neither gets a gradient.",
    ),
    Example(
        "row_max_full_to_all_ties",
        row_max,
        (np.array([[1, 3, 3], [2, 0, 1]], np.float32),),
        "Every entry that ties for the maximum gets the whole cotangent.",
    ),
    Example(
        "max_pool_full_to_all_ties",
        max_pool,
        (np.abs(normal(6, 2)) + 0.1,),
        "Ties in a window get the whole cotangent each, as after a ReLU the zeros do; "
        "no tie here.",
    ),
    Example(
        "sort_with_permutation_for_its_inverse",
        sort_with_permutation,
        (normal(6),),
        "The cotangent is permuted by the order itself, not by its inverse.",
    ),
    Example(
        "spread_of_one_entry_does_not_cancel",
        spread,
        (np.full(1, 1.5, np.float32),),
        "Largest and smallest are one entry: its gradient is 0, -g is returned.",
    ),
    Example(
        "median_of_even_length_without_gradient",
        median,
        (normal(4),),
        "Of an even number the median is no entry: nothing gets a gradient.",
    ),
)
