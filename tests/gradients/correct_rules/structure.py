"""How a rule takes its arguments and gives its results."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, array, normal, reverse_rule


@dataclasses.dataclass(frozen=True)
class Options:
    axis: int
    power: int


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def mean_power(x, axis, power):
    return (x**power).mean(axis)


def _mean_power_fwd(x, axis, power):
    return mean_power(x, axis, power), x


def _mean_power_bwd(axis, power, x, g):
    n = np.prod([x.shape[a] for a in axis])
    g = jnp.broadcast_to(jnp.expand_dims(g, axis), x.shape)
    return (g * power * x ** (power - 1) / n,)


mean_power.defvjp(_mean_power_fwd, _mean_power_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 2))
def mapped(function, x, kind):
    y = function(x)
    return y.sum() if kind == "sum" else y


def _mapped_fwd(function, x, kind):
    return mapped(function, x, kind), x


def _mapped_bwd(function, kind, x, g):
    slope = jax.vmap(jax.grad(function))(x.ravel()).reshape(x.shape)
    return (g * slope,)


mapped.defvjp(_mapped_fwd, _mapped_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def filled(x, shape, dtype):
    return jnp.broadcast_to(x.sum(), shape).astype(dtype)


filled.defvjp(
    lambda x, shape, dtype: (filled(x, shape, dtype), x),
    lambda shape, dtype, x, g: (jnp.full_like(x, g.sum().astype(x.dtype)),),
)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def scaled_sine(x, options):
    return options[0] * jnp.sin(dict(options[1])["frequency"] * x)


@scaled_sine.defjvp
def _scaled_sine_jvp(options, primals, tangents):
    (x,), (t,) = primals, tangents
    frequency = dict(options[1])["frequency"]
    slope = options[0] * frequency * jnp.cos(frequency * x)
    return scaled_sine(x, options), t * slope


def _dense(params, batch):
    return {"y": batch["x"] @ params["w"] + params["b"], "count": batch["x"].shape[0]}


def _dense_fwd(params, batch):
    return _dense(params, batch), (params["w"], batch["x"], batch["unused"])


def _dense_bwd(saved, g):
    w, x, unused = saved
    params = {"w": x.T @ g["y"], "b": g["y"].sum(0)}
    return params, {"x": g["y"] @ w.T, "unused": jnp.zeros_like(unused)}


dense = reverse_rule(_dense, _dense_fwd, _dense_bwd)

optional_scale = reverse_rule(
    lambda x, scale, bias: (x if scale is None else x * scale, None, (), bias),
    lambda x, scale, bias: (
        (x if scale is None else x * scale, None, (), bias),
        (x, scale),
    ),
    lambda saved, g: (
        g[0] if saved[1] is None else g[0] * saved[1],
        None if saved[1] is None else g[0] * saved[0],
        g[3],
    ),
)


def _identity_of_integral(function, x, nodes):
    return (function(x * nodes) * x).mean()


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _integral(function, x, nodes, *closed):
    return _identity_of_integral(lambda t: function(t, *closed), x, nodes)


def _integral_fwd(function, x, nodes, *closed):
    return _integral(function, x, nodes, *closed), (x, nodes, closed)


def _integral_bwd(function, saved, g):
    x, nodes, closed = saved

    def value(x, nodes, *closed):
        return _identity_of_integral(lambda t: function(t, *closed), x, nodes)

    return jax.vjp(value, x, nodes, *closed)[1](g)


_integral.defvjp(_integral_fwd, _integral_bwd)


def integral_of_closure(x, frequency):
    nodes = jnp.linspace(0, 1, 9, dtype=x.dtype)
    function, closed = jax.closure_convert(lambda t: jnp.sin(frequency * t), x * nodes)
    return _integral(function, x, nodes, *closed)


WEIGHTS = array(0.5, -1.0, 2.0)


def _scaled_by_constant(x):
    return x * WEIGHTS


scaled_by_constant = reverse_rule(
    _scaled_by_constant,
    lambda x: (_scaled_by_constant(x), None),
    lambda _, g: (g * WEIGHTS,),
)

_apply_mask = reverse_rule(
    lambda x, mask: x * mask,
    lambda x, mask: (x * mask, mask),
    lambda mask, g: (g * mask, None),
)
FLOAT_MASK = array(1.0, 0.0, 1.0)


def masked(x):
    # the mask is a constant of the program: nobody asks for its cotangent
    return _apply_mask(jnp.tanh(x), FLOAT_MASK)


swap = reverse_rule(
    lambda x, y: (y, x), lambda x, y: ((y, x), None), lambda _, g: (g[1], g[0])
)
ignores_one = reverse_rule(
    lambda x, y: jnp.exp(x) + 0 * y,
    lambda x, y: (jnp.exp(x) + 0 * y, jnp.exp(x)),
    lambda e, g: (g * e, None),
)

X, Y = normal(30, 2, 3), normal(31, 2, 3)

EXAMPLES = (
    Example(
        "static axes and power",
        lambda x: mean_power(x, (0, 2), 3),
        (normal(32, 2, 3, 2),),
        "nondiff_argnums come first in the backward pass",
    ),
    Example(
        "an options object",
        lambda x, options: mean_power(x, (options.axis,), options.power),
        (X, Options(1, 2)),
        "an argument of the program that is hashable and no array",
    ),
    Example(
        "a function and a string",
        mapped,
        (jnp.sin, X, "sum"),
        "neither can be differentiated, perturbed or made an array",
    ),
    Example(
        "static shape and dtype",
        lambda x: filled(x, (2, 2), jnp.float32),
        (X,),
        "the cotangent has another shape than the argument",
    ),
    Example(
        "static options of a forward rule",
        lambda x: scaled_sine(x, (0.5, (("frequency", 3.0),))),
        (X,),
        "nondiff_argnums of custom_jvp, a nested tuple",
    ),
    Example(
        "pytrees in and out",
        dense,
        (
            {"w": normal(33, 3, 2), "b": normal(34, 2)},
            {"x": X, "unused": normal(35, 4)},
        ),
        "a leaf that nothing depends on, and a Python integer among the outputs",
    ),
    Example(
        "None in arguments and outputs",
        lambda x, b: optional_scale(optional_scale(x, None, b)[0], x, b),
        (X, Y),
        "the same rule with None and with an array in one place",
    ),
    Example(
        "closure_convert",
        integral_of_closure,
        (jnp.float32(1.5), jnp.float32(2)),
        "the closed-over value arrives as a further argument",
    ),
    Example(
        "closed-over constant",
        scaled_by_constant,
        (X,),
        "the constant is hoisted into the rule's inputs and gets no cotangent",
    ),
    Example(
        "constant float mask",
        masked,
        (X,),
        "None for a float argument that is a constant of the program",
    ),
    Example(
        "swapped outputs",
        swap,
        (X, Y),
        "no computation: the outputs are the arguments themselves",
    ),
    Example(
        "an argument times zero",
        ignores_one,
        (X, Y),
        "None is right for a float argument that matters in no place",
    ),
)
