"""Cotangents that are left out, whole or in part."""

import jax
import jax.numpy as jnp

from .example import Example, normals, reverse_rule

normal = normals(3)


def _rms_norm(x, weight):
    return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight


def _rms_norm_backward(saved, g):
    x, weight = saved
    r = jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-6)
    h = g * weight
    return r * (h - x * r**2 * (h * x).mean(-1, keepdims=True)), None


rms_norm = reverse_rule(
    _rms_norm, lambda x, w: (_rms_norm(x, w), (x, w)), _rms_norm_backward
)


@jax.custom_vjp
def scaled_logits(logits, temperature):
    return logits / temperature


scaled_logits.defvjp(lambda x, t: (x / t, t), lambda t, g: (g / t, jnp.zeros_like(t)))


@jax.custom_vjp
def affine(parameters, x):
    return x @ parameters["kernel"] + parameters["bias"]


def _affine_backward(saved, g):
    parameters, x = saved
    zero = jnp.zeros_like(parameters["bias"])
    return {"kernel": x.T @ g, "bias": zero}, g @ parameters["kernel"].T


affine.defvjp(lambda p, x: (affine(p, x), (p, x)), _affine_backward)


def cube_with(change):
    """x ** 3 whose cotangent is changed before it is returned."""
    return reverse_rule(
        lambda x: x**3, lambda x: (x**3, x), lambda x, g: (change(3 * x**2 * g),)
    )


@jax.custom_vjp
def weighted_loss(logits, target, weight):
    return (weight * (logits - target) ** 2).sum()


def _weighted_backward(saved, g):
    logits, target, weight = saved
    # "the target is data": in distillation and in a penalty it is not
    return 2 * g * weight * (logits - target), jnp.zeros_like(target), None


weighted_loss.defvjp(lambda *args: (weighted_loss(*args), args), _weighted_backward)


def _bias_attention(q, k, v, bias):
    scores = q @ k.T / jnp.sqrt(q.shape[-1]) + bias
    return jax.nn.softmax(scores) @ v


def _bias_attention_backward(saved, g):
    q, k, v, bias = saved
    _, pull = jax.vjp(lambda q, k, v: _bias_attention(q, k, v, bias), q, k, v)
    return (*pull(g), None)


bias_attention = reverse_rule(
    _bias_attention,
    lambda *args: (_bias_attention(*args), args),
    _bias_attention_backward,
)


def _prelu(x, slope):
    return jnp.where(x > 0, x, slope * x)


def _prelu_backward(saved, g):
    x, slope = saved
    return g * jnp.where(x > 0, 1, slope), jnp.zeros_like(slope)


prelu = reverse_rule(_prelu, lambda x, s: (_prelu(x, s), (x, s)), _prelu_backward)


def _blend(x, y, t):
    return (1 - t) * x + t * y


def _blend_backward(saved, g):
    _, y, t = saved
    return (1 - t) * g, t * g, (g * y).sum()


blend = reverse_rule(
    _blend, lambda x, y, t: (_blend(x, y, t), (x, y, t)), _blend_backward
)

EXAMPLES = (
    Example(
        "missing_weight_of_rms_norm",
        rms_norm,
        (normal(3, 5), normal(5)),
        "None is returned for the weight, as in unslothai/unsloth#4533.",
    ),
    Example(
        "missing_temperature",
        scaled_logits,
        (normal(4), normal() ** 2 + 1),
        "A learned temperature gets a zero.",
    ),
    Example(
        "missing_leaf_of_parameters",
        affine,
        ({"kernel": normal(3, 2), "bias": normal(2)}, normal(4, 3)),
        "One leaf of the pytree of parameters gets zeros.",
    ),
    Example(
        "missing_last_row",
        cube_with(lambda d: d.at[-1].set(0)),
        (normal(4, 3),),
        "The gradient of the last row is zero.",
    ),
    Example(
        "missing_one_element",
        cube_with(lambda d: d.at[1, 2].set(0)),
        (normal(4, 3),),
        "The gradient of one element is zero.",
    ),
    Example(
        "missing_everything",
        cube_with(jnp.zeros_like),
        (normal(4),),
        "The whole gradient is zero.",
    ),
    Example(
        "rolled_by_one",
        cube_with(lambda d: jnp.roll(d, 1, -1)),
        (normal(2, 5),),
        "The gradient is rolled by one place.",
    ),
    Example(
        "missing_target_and_weight",
        lambda a, b, w: weighted_loss(a, b, w),
        (normal(5), normal(5), normal(5)),
        "The target and the weight of a loss are taken as data: no gradient.",
    ),
    Example(
        "missing_attention_bias",
        bias_attention,
        (normal(3, 4), normal(5, 4), normal(5, 2), normal(3, 5)),
        "The bias of the attention, which is learned, gets None.",
    ),
    Example(
        "missing_slope_of_prelu",
        prelu,
        (normal(3, 4), normal() + 1),
        "The learned slope gets zero.",
    ),
    Example(
        "missing_half_of_blend",
        blend,
        (normal(4), normal(4), normal() + 1),
        "The cotangent of the blend's weight is g y where g (y - x) is right.",
    ),
)
