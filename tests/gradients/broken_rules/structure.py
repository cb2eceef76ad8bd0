"""Backward passes that fail, or do not return what their arguments need."""

import functools

import jax
import jax.numpy as jnp

from .example import Example, normals, reverse_rule

normal = normals(17)


def product_with(backward):
    """x * y with this backward pass."""
    return reverse_rule(lambda x, y: x * y, lambda x, y: (x * y, (x, y)), backward)


def _no_backward(saved, g):
    raise NotImplementedError("the backward pass is not written yet")


def _checked_backward(saved, g):
    x, y = saved
    # a check of values cannot be made while tracing
    if jnp.isnan(g).any():
        raise ValueError("NaN")
    return g * y, g * x


def _affine(parameters, x):
    return x @ parameters["w"] + parameters["b"]


affine_returning_a_tuple = reverse_rule(
    _affine,
    lambda p, x: (_affine(p, x), (p, x)),
    lambda saved, g: (
        (saved[1].T @ g, g.sum(0)),
        g @ saved[0]["w"].T,
    ),
)

matmul_transposed = reverse_rule(
    lambda x, w: x @ w,
    lambda x, w: (x @ w, (x, w)),
    lambda saved, g: (g @ saved[1].T, g.T @ saved[0]),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def leaky(x, slope):
    return jnp.where(x > 0, x, slope * x)


leaky.defvjp(
    lambda x, slope: (leaky(x, slope), x),
    # what is saved and the static argument come in the other order
    lambda x, slope, g: (jnp.where(x > 0, g, slope * g),),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def power(x, n):
    return x**n


power.defvjp(lambda x, n: (x**n, x), lambda n, x, g: (n * x ** (n - 1) * g, None))


def _two_outputs_backward(x, g):
    # one cotangent is expected where there are two
    return (g * jnp.cos(x),)


two_outputs = reverse_rule(
    lambda x: (jnp.sin(x), x), lambda x: ((jnp.sin(x), x), x), _two_outputs_backward
)

EXAMPLES = (
    Example(
        "one_cotangent_too_few",
        product_with(lambda saved, g: (g * saved[1],)),
        (normal(4), normal(4)),
        "One cotangent for two arguments.",
    ),
    Example(
        "one_cotangent_too_many",
        product_with(lambda saved, g: (g * saved[1], g * saved[0], None)),
        (normal(4), normal(4)),
        "Three cotangents for two arguments.",
    ),
    Example(
        "bare_array_returned",
        reverse_rule(lambda x: x**2, lambda x: (x**2, x), lambda x, g: 2 * x * g),
        (normal(4),),
        "An array is returned where a tuple is needed.",
    ),
    Example(
        "cotangent_without_the_pytree",
        affine_returning_a_tuple,
        ({"w": normal(3, 2), "b": normal(2)}, normal(4, 3)),
        "A tuple is returned for an argument that is a dictionary.",
    ),
    Example(
        "cotangent_of_transposed_shape",
        matmul_transposed,
        (normal(4, 3), normal(3, 2)),
        "The kernel's cotangent is transposed.",
    ),
    Example(
        "cotangent_of_transposed_square",
        lambda x, w: matmul_transposed(x, w),
        (normal(3, 3), normal(3, 3)),
        "The kernel's cotangent is transposed, which its square shape allows.",
    ),
    Example(
        "backward_not_written",
        product_with(_no_backward),
        (normal(4), normal(4)),
        "The backward pass raises.",
    ),
    Example(
        "backward_with_a_python_branch",
        jax.jit(product_with(_checked_backward)),
        (normal(4), normal(4)),
        "The backward pass branches on a traced value: it raises under jit.",
    ),
    Example(
        "static_argument_taken_for_the_residual",
        lambda x: leaky(x, 0.1),
        (normal(5),),
        "The backward pass takes its static argument after what was saved.",
    ),
    Example(
        "cotangent_for_a_static_argument",
        lambda x: power(x, 3),
        (normal(4),),
        "A None is returned for the static argument too: one cotangent too many.",
    ),
    Example(
        "cotangents_of_two_outputs_taken_as_one",
        two_outputs,
        (normal(4),),
        "The pair of cotangents is multiplied as if it were one array.",
    ),
)
