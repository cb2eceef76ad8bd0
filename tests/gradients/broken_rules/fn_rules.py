"""Rules made by `fn.rule` that disagree with their reference or surrogate."""

import jax
import jax.numpy as jnp
import numpy as np

import funcnn as fn

from .example import Example, normals

normal = normals(20)


def cases(normal):
    yield (normal(3, 4),)


def _softplus(x):
    return jnp.logaddexp(x, 0)


softplus = fn.rule(
    _softplus,
    lambda x: (_softplus(x), x),
    lambda x, g: (g * jax.nn.sigmoid(2 * x),),
    cases=cases,
)


def _scale_shift(x, scale, shift):
    return x * scale + shift


scale_shift = fn.rule(
    _scale_shift,
    lambda x, scale, shift: (_scale_shift(x, scale, shift), (x, scale)),
    lambda saved, g: (g * saved[1], (g * saved[0]).sum(0), None),
    cases=cases,
)


def _mean(x, axis):
    return x.mean(axis)


mean = fn.rule(
    _mean,
    lambda x, axis: (x.mean(axis), jnp.zeros_like(x)),
    lambda axis, zeros, g: (zeros + jnp.expand_dims(g, axis) / zeros.shape[-1],),
    static="axis",
    cases=cases,
)


def _sine(x):
    return jnp.sin(x)


other_forward = fn.rule(
    _sine, lambda x: (jnp.sin(x) * (1 + 1e-4), x), lambda x, g: (g * jnp.cos(x),),
    cases=cases,
)  # fmt: skip


def _round(x):
    return jnp.round(x)


straight_through = fn.rule(
    _round, lambda x: (jnp.round(x), ()), lambda saved, g: (g,), cases=cases
)

surrogate_not_met = fn.rule(
    _round,
    lambda x: (jnp.round(x), x),
    # the surrogate is the identity, this is zero outside [-1, 1]
    lambda x, g: (g * (jnp.abs(x) <= 1),),
    surrogate=lambda x: x,
    cases=cases,
)


def _spike(x):
    return (x > 0).astype(x.dtype)


spike = fn.rule(
    _spike,
    lambda x: (_spike(x), x),
    # the derivative of sigmoid(4 x) has a factor 4
    lambda x, g: (g * jax.nn.sigmoid(4 * x) * jax.nn.sigmoid(-4 * x),),
    surrogate=lambda x: jax.nn.sigmoid(4 * x),
    cases=cases,
)


def _add_bias(x, bias):
    return x + bias


wrong_shape = fn.rule(
    _add_bias, lambda x, bias: (x + bias, ()), lambda saved, g: (g, g), cases=cases
)


def _lookup(table, ids):
    return table[ids]


lookup = fn.rule(
    _lookup,
    lambda table, ids: (table[ids], (table, ids)),
    lambda saved, g: (jnp.zeros_like(saved[0]).at[saved[1]].max(g), None),
    cases=cases,
)

plain_round = jax.custom_vjp(lambda x: jnp.round(x))
plain_round.defvjp(lambda x: (jnp.round(x), ()), lambda saved, g: (g,))


def quantized(kernel, x):
    """A layer whose kernel is rounded to quarters, one straight-through step."""
    return jnp.tanh(x @ (plain_round(kernel * 4) / 4))


def model(parameters, x):
    """A rule of ours between right ops."""
    h = fn.ops.affine(x, parameters["kernel"], parameters["bias"])
    return scale_shift(fn.ops.relu(h), parameters["scale"], parameters["shift"]).sum()


EXAMPLES = (
    Example(
        "rule_with_wrong_slope",
        softplus,
        (normal(3, 4),),
        "The slope is sigmoid(2 x), the reference's sigmoid(x).",
    ),
    Example(
        "rule_without_shift",
        scale_shift,
        (normal(3, 4), normal(4), normal(4)),
        "The shift's cotangent is None.",
    ),
    Example(
        "rule_of_the_last_axis_only",
        lambda x: mean(x, 0),
        (normal(3, 4),),
        "The mean over axis 0 divides by the length of the last.",
    ),
    Example(
        "rule_with_another_forward",
        other_forward,
        (normal(5),),
        "The forward pass is 0.01 % larger than the reference.",
    ),
    Example(
        "straight_through_without_surrogate",
        straight_through,
        (normal(5),),
        "A straight-through rule that declares no surrogate.",
    ),
    Example(
        "straight_through_of_a_quantized_layer",
        quantized,
        (normal(3, 2), normal(4, 3)),
        "A custom_vjp passes the cotangent through a rounding, undeclared.",
    ),
    Example(
        "surrogate_not_met",
        surrogate_not_met,
        (np.array([0.2, -0.7, 1.8, -3.1], np.float32),),
        "The identity is declared, the backward pass is cut off at 1.",
    ),
    Example(
        "surrogate_without_its_factor",
        spike,
        (normal(6),),
        "sigmoid(4 x) is declared, its factor 4 is missing.",
    ),
    Example(
        "rule_with_cotangent_not_summed",
        wrong_shape,
        (normal(3, 4), normal(4)),
        "The bias's cotangent is not summed: it raises.",
    ),
    Example(
        "rule_with_scatter_of_the_maximum",
        lookup,
        (normal(4, 2), np.array([1, 3, 1], np.int32)),
        "The cotangents of repeated ids are not added.",
    ),
    Example(
        "rule_inside_a_model",
        model,
        (
            {
                "kernel": normal(3, 4),
                "bias": normal(4),
                "scale": normal(4),
                "shift": normal(4),
            },
            normal(5, 3),
        ),
        "A rule without its shift's cotangent, behind two right ops.",
    ),
)
