"""One wrong rule inside a program: control flow and transformations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .example import Example, elementwise, normals, reverse_rule

normal = normals(19)

swish = elementwise(lambda x: x * jax.nn.sigmoid(x), jax.nn.sigmoid)
tanh = elementwise(lambda x: jnp.tanh(x), lambda x: 1.001 / jnp.cosh(x) ** 2)
sine = elementwise(lambda x: jnp.sin(x), lambda x: -jnp.cos(x))
right_sine = elementwise(lambda x: jnp.sin(x), lambda x: jnp.cos(x))


@jax.custom_vjp
def affine(x, kernel, bias):
    return x @ kernel + bias


affine.defvjp(
    lambda x, kernel, bias: (x @ kernel + bias, (x, kernel)),
    # the bias's cotangent is a mean
    lambda saved, g: (g @ saved[1].T, saved[0].T @ g, g.mean(0)),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def clipped_power(x, n):
    return jnp.abs(x) ** n


clipped_power.defvjp(
    lambda x, n: (jnp.abs(x) ** n, x),
    lambda n, x, g: (g * n * jnp.abs(x) ** (n - 1),),
)


def loop(x):
    return lax.fori_loop(0, 3, lambda i, x: tanh(x) + 0.1 * i, x)


def until_small(x):
    """The rule is in a loop whose length depends on the values."""
    return lax.while_loop(lambda x: jnp.abs(x).max() > 0.5, lambda x: 0.9 * sine(x), x)


def branch(x):
    return lax.cond(x.sum() > 0, lambda x: sine(x), lambda x: right_sine(x), x)


def choose(i, x):
    return lax.switch(i, [right_sine, lambda x: x**2, lambda x: swish(x)], x)


@jax.custom_vjp
def outer(x):
    return sine(x) ** 2


def _outer_forward(x):
    y, pull = jax.vjp(lambda x: sine(x) ** 2, x)
    return y, pull


outer.defvjp(_outer_forward, lambda pull, g: pull(g))


constant = normal(4)


@jax.custom_vjp
def against_constant(x):
    return constant * x**2


against_constant.defvjp(lambda x: (constant * x**2, x), lambda x, g: (2 * g * x,))


def sharpness(x):
    """The length of the gradient of a sum."""
    return jnp.sqrt((jax.grad(lambda x: tanh(x).sum())(x) ** 2).sum())


def after_a_step(parameters, x):
    """The output after one step of gradient descent."""

    def loss(parameters):
        return (swish(x @ parameters["w"]) ** 2).mean()

    slope = jax.grad(loss)(parameters)
    return x @ (parameters["w"] - 0.1 * slope["w"])


def five_layers(x):
    """Four right rules and one wrong one."""
    for rule in (right_sine, tanh, right_sine, right_sine, right_sine):
        x = rule(x) + x
    return x


def _blocked_sum(x):
    return lax.scan(lambda t, row: (t + row**2, None), jnp.zeros_like(x[0]), x)[0]


def _blocked_backward(x, g):
    # the loop of the backward pass leaves the last block out
    x = jnp.asarray(x)

    def step(i, d):
        return d.at[i].set(2 * g * x[i])

    return (lax.fori_loop(0, x.shape[0] - 1, step, jnp.zeros_like(x)),)


blocked_sum = reverse_rule(
    _blocked_sum, lambda x: (_blocked_sum(x), x), _blocked_backward
)


def mesh_of(x):
    """The program on a mesh of one axis, inside jit."""
    devices = jax.devices()
    size = max(n for n in (1, 2, 4) if n <= len(devices))
    mesh = jax.sharding.Mesh(np.array(devices[:size]), ("data",))
    spec = jax.sharding.PartitionSpec("data")

    def local(x):
        return lax.pmean((tanh(x) ** 2).mean(), "data")

    whole = jax.sharding.PartitionSpec()
    return jax.jit(jax.shard_map(local, mesh=mesh, in_specs=spec, out_specs=whole))(x)


def everything(x):
    """jit of a scan of a checkpoint of a vmap of a cond."""

    @jax.checkpoint
    def step(x, _):
        def one(row):
            return lax.cond(row[0] > -9, swish, lambda row: row, row)

        return jax.vmap(one)(x), None

    return jax.jit(lambda x: lax.scan(step, x, None, length=2)[0])(x)


x = normal(4)

EXAMPLES = (
    Example(
        "inside_jit",
        jax.jit(lambda x: jax.jit(tanh)(x).sum() ** 2),
        (x,),
        "A slope 0.1 % too large, inside two jits.",
    ),
    Example("inside_fori_loop", loop, (x,), "A slope 0.1 % too large, in a loop."),
    Example(
        "inside_while_loop",
        until_small,
        (x,),
        "The wrong sign, in a loop without reverse mode.",
    ),
    Example(
        "inside_the_branch_taken",
        branch,
        (np.abs(x),),
        "The wrong sign in the branch of a cond that is taken.",
    ),
    Example(
        "inside_the_branch_not_taken",
        branch,
        (-np.abs(x),),
        "The wrong sign in the branch of a cond that is not taken here.",
    ),
    Example(
        "inside_switch",
        choose,
        (np.asarray(2, np.int32), x),
        "A swish without its product term, one of three branches.",
    ),
    Example(
        "inside_remat",
        lambda x: jax.checkpoint(lambda x: swish(swish(x)))(x),
        (x,),
        "A swish without its product term, under checkpoint.",
    ),
    Example(
        "inside_vmap",
        jax.vmap(affine, (0, None, None)),
        (normal(4, 3, 2), normal(2, 5), normal(5)),
        "A bias whose cotangent is a mean, over examples.",
    ),
    Example(
        "inside_map",
        lambda x: lax.map(lambda row: sine(row).sum(), x),
        (normal(3, 4),),
        "The wrong sign, inside lax.map.",
    ),
    Example(
        "inside_associative_scan",
        lambda x: lax.associative_scan(lambda a, b: a + tanh(b), x),
        (normal(5),),
        "A slope 0.1 % too large, in an associative scan.",
    ),
    Example(
        "inside_another_rule",
        outer,
        (x,),
        "The backward pass of a right rule pulls back through a wrong one.",
    ),
    Example(
        "closed_over_constant_forgotten",
        against_constant,
        (x,),
        "The constant that the rule closes over is missing in its backward pass.",
    ),
    Example(
        "static_power_without_sign",
        lambda x: clipped_power(x, 3).sum(),
        (x,),
        "|x|^n with a static n: the sign of x is missing.",
    ),
    Example(
        "inside_a_gradient_in_the_program",
        sharpness,
        (x,),
        "The length of a gradient that is 0.1 % too large.",
    ),
    Example(
        "inside_a_step_of_descent",
        after_a_step,
        ({"w": normal(3, 2)}, normal(4, 3)),
        "A step of gradient descent in the program uses a wrong slope.",
    ),
    Example(
        "one_of_five_rules",
        five_layers,
        (x,),
        "One rule of five is 0.1 % off.",
    ),
    Example(
        "used_twice",
        lambda x, y: affine(x, y, y[0]) @ affine(y, x, x[0]),
        (normal(3, 3), normal(3, 3)),
        "One wrong rule used twice, its arguments in turn.",
    ),
    Example(
        "loop_of_the_rule_without_last_block",
        blocked_sum,
        (normal(4, 3),),
        "The loop inside the backward pass ends one block early.",
    ),
    Example(
        "inside_shard_map_in_jit",
        mesh_of,
        (normal(8, 3),),
        "A slope 0.1 % too large on a mesh, reduced over devices.",
    ),
    Example(
        "inside_everything",
        everything,
        (normal(3, 4),),
        "A swish without its product term under jit, scan, checkpoint, vmap and cond.",
    ),
)
