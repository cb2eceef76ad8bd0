"""Rules with a right first derivative and a wrong second one."""

import jax
import jax.numpy as jnp

from .example import Example, normals, reverse_rule

normal = normals(7)
stop = jax.lax.stop_gradient

sine_of_stopped_input = reverse_rule(
    jnp.sin, lambda x: (jnp.sin(x), stop(x)), lambda x, g: (g * jnp.cos(x),)
)

cube_with_stopped_slope = reverse_rule(
    lambda x: x**3,
    lambda x: (x**3, x),
    lambda x, g: (stop(3 * x**2) * g,),
)

tanh_with_stopped_cotangent = reverse_rule(
    jnp.tanh,
    lambda x: (jnp.tanh(x), x),
    lambda x, g: (stop(g) * (1 - jnp.tanh(x) ** 2),),
)

exponential_with_stopped_result = reverse_rule(
    jnp.exp, lambda x: (jnp.exp(x), jnp.exp(x)), lambda y, g: (stop(g * y),)
)


def _saved_slope(x):
    # what is saved is neither an input nor an output
    return x * jax.nn.sigmoid(x), stop(jax.nn.sigmoid(x))


swish_with_stopped_intermediate = reverse_rule(
    lambda x: _saved_slope(x)[0],
    lambda x: (_saved_slope(x)[0], (x, _saved_slope(x)[1])),
    lambda saved, g: (g * saved[1] * (1 + saved[0] * (1 - saved[1])),),
)

# cos, whose own rule has lost the sign
cosine = reverse_rule(
    jnp.cos, lambda x: (jnp.cos(x), x), lambda x, g: (g * jnp.sin(x),)
)

sine_by_broken_cosine = reverse_rule(
    jnp.sin, lambda x: (jnp.sin(x), x), lambda x, g: (g * cosine(x),)
)


def _softmax_backward(y, g):
    return (y * (g - stop((g * y).sum(-1, keepdims=True))),)


softmax_with_stopped_row_sum = reverse_rule(
    lambda x: jax.nn.softmax(x), lambda x: (jax.nn.softmax(x),) * 2, _softmax_backward
)


@jax.custom_vjp
def bilinear(x, w):
    return x @ w


bilinear.defvjp(
    lambda x, w: (x @ w, (x, stop(w))),
    lambda saved, g: (g @ saved[1].T, saved[0].T @ g),
)


def critic(parameters, x):
    """A critic of two layers, one number per row."""
    hidden = sine_of_stopped_input(x @ parameters["in"])
    return (hidden @ parameters["out"]).sum(-1)


def gradient_penalty(parameters, x):
    """How far the critic's gradient is from length one."""
    slopes = jax.grad(lambda x: critic(parameters, x).sum())(x)
    return ((jnp.sqrt((slopes**2).sum(-1) + 1e-8) - 1) ** 2).mean()


def hessian_product(x, v):
    """The Hessian of a sum of cubes, times v."""
    return jax.grad(
        lambda x: jax.grad(lambda x: cube_with_stopped_slope(x).sum())(x) @ v
    )(x)


EXAMPLES = (
    Example(
        "stopped_residual",
        sine_of_stopped_input,
        (normal(5),),
        "stop_gradient on what is saved: the second derivative is zero.",
    ),
    Example(
        "stopped_slope",
        cube_with_stopped_slope,
        (normal(3, 2),),
        "stop_gradient on the slope in the backward pass.",
    ),
    Example(
        "stopped_cotangent",
        tanh_with_stopped_cotangent,
        (normal(5),),
        "The cotangent is detached: the derivative with respect to it is zero.",
    ),
    Example(
        "stopped_result",
        exponential_with_stopped_result,
        (normal(5),),
        "stop_gradient on the gradient itself.",
    ),
    Example(
        "stopped_intermediate",
        swish_with_stopped_intermediate,
        (normal(5),),
        "An intermediate is saved as a constant, as in pytorch/pytorch#76185.",
    ),
    Example(
        "backward_by_a_broken_rule",
        sine_by_broken_cosine,
        (normal(4),),
        "The backward pass calls a cosine whose own rule has the wrong sign.",
    ),
    Example(
        "stopped_row_sum_of_softmax",
        softmax_with_stopped_row_sum,
        (normal(2, 4),),
        "The row sum of the softmax's backward pass is detached.",
    ),
    Example(
        "stopped_weight",
        bilinear,
        (normal(3, 4), normal(4, 2)),
        "The weight is saved detached: mixed second derivatives are zero.",
    ),
    Example(
        "gradient_penalty_of_a_stopped_residual",
        gradient_penalty,
        ({"in": normal(3, 4), "out": normal(4, 1)}, normal(5, 3)),
        "A gradient penalty trains through a second derivative that is cut.",
    ),
    Example(
        "hessian_product_of_a_stopped_slope",
        hessian_product,
        (normal(4), normal(4)),
        "A Hessian product in the program is zero: its slope is detached.",
    ),
)
