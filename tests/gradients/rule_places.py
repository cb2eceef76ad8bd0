"""Where a rule may stand in a program, and what may be done to the program."""

import jax
import jax.extend as jex
import jax.numpy as jnp
from gradient_examples import no_cases
from jax import lax
from jax.custom_batching import custom_vmap
from jax.sharding import PartitionSpec

import funcnn as fn

X = jnp.float32(0.7)
SHARDED = PartitionSpec("i")

# Three rules whose values are right and whose slopes are wrong: a rule that is left
# somewhere shows.
ours = fn.rule(
    lambda x: jnp.sin(x),
    lambda x: (jnp.sin(x), ()),
    lambda saved, g: (50 * g,),
    cases=no_cases,
    name="ours",
)


@jax.custom_vjp
def reverse(x):
    return x * x


reverse.defvjp(lambda x: (x * x, x), lambda x, g: (70 * g,))


@jax.custom_jvp
def forward(x):
    return jnp.exp(x)


forward.defjvp(lambda xs, ts: (jnp.exp(*xs), 90 * ts[0]))


def ruled(x):
    return ours(x) + reverse(x) * forward(x)


def plain(x):
    return jnp.sin(x) + x * x * jnp.exp(x)


def through_scan(f):
    return lambda x: lax.scan(lambda c, y: (c + f(y), f(c)), 0.5, x[None])[1].sum()


def through_while(f):
    def looped(x):
        more = lambda carry: carry[0] < 2  # noqa: E731
        return lax.while_loop(more, lambda c: (c[0] + 1, 0.3 * f(c[1])), (0, x))[1]

    return looped


def through_shard_map(f, finish=lambda y: y, out=SHARDED):
    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((1,), ("i",), auto, devices=jax.devices()[:1])

    def sharded(x):
        mapped = jax.shard_map(
            lambda x: finish(f(x)),
            mesh=mesh,
            in_specs=SHARDED,
            out_specs=out,
        )
        return mapped(jnp.stack([x, 2 * x])).sum()

    return sharded


def through_custom_vmap(f):
    batched = custom_vmap(lambda x: f(x))

    @batched.def_vmap
    def rule(size, is_batched, xs):
        return (jax.vmap(f) if is_batched[0] else f)(xs), is_batched[0]

    return batched


def with_rule_around(f):
    outer = jax.custom_vjp(lambda x: f(x))
    outer.defvjp(lambda x: (f(x), x), lambda x, g: (100 * g,))
    return lambda x: outer(x)


def in_arguments(f):
    """Integers, a pytree and a static argument around the rule."""

    def of_many(n, pair, power):
        return (f(pair["x"]) ** power * n, n)

    outer = jax.custom_vjp(of_many, nondiff_argnums=(2,))
    outer.defvjp(
        lambda n, pair, power: (of_many(n, pair, power), n),
        lambda power, n, g: (None, {"x": 100 * g[0]}),
    )
    return lambda x: outer(jnp.int32(3), {"x": x}, 2)[0]


def with_symbolic_zeros(f):
    outer = jax.custom_vjp(lambda x, y: f(x) * y)

    def fwd(x, y):
        return f(x.value) * y.value, y.value

    outer.defvjp(fwd, lambda y, g: (100 * g, None), symbolic_zeros=True)
    inner = jax.custom_jvp(lambda x, y: outer(x, y))
    inner.defjvp(lambda xs, ts: (outer(*xs), 100 * ts[0]), symbolic_zeros=True)
    return lambda x: inner(x, 2.0)


def saving(policy):
    return lambda f: jax.checkpoint(f, policy=getattr(jax.checkpoint_policies, policy))


TABLE = jnp.array([0.5, 1.5])

# Each takes a function of a number to another that calls it inside of something.
PLACES = {
    "plain": lambda f: f,
    "twice": lambda f: lambda x: f(f(x)) + f(x),
    "jit": jax.jit,
    "jit in jit": lambda f: jax.jit(lambda x: jax.jit(f)(x) + 1),
    "scan": through_scan,
    "fori_loop": lambda f: lambda x: lax.fori_loop(0, 2, lambda i, x: 0.3 * f(x), x),
    "cond": lambda f: lambda x: lax.cond(x > 0, f, lambda x: -x, x),
    "switch": lambda f: lambda x: lax.switch(jnp.int32(x) + 1, [jnp.sin, f], x),
    "checkpoint": jax.checkpoint,
    "checkpoint, nothing saved": saving("nothing_saveable"),
    "checkpoint, dots saved": saving("dots_saveable"),
    "checkpoint, all saved": saving("everything_saveable"),
    "checkpoint in scan": lambda f: through_scan(jax.checkpoint(f)),
    "scan in checkpoint": lambda f: jax.checkpoint(through_scan(f)),
    "vmap": lambda f: lambda x: jax.vmap(f)(jnp.stack([x, 2 * x])).sum(),
    "vmap of jit": lambda f: lambda x: jax.vmap(jax.jit(f))(jnp.stack([x, -x])).sum(),
    "vmap of scan": lambda f: (
        lambda x: jax.vmap(through_scan(f))(jnp.stack([x, -x])).sum()
    ),
    "map": lambda f: lambda x: lax.map(f, jnp.stack([x, -x])).sum(),
    "shard_map": through_shard_map,
    "scan in shard_map": lambda f: through_shard_map(
        lambda x: lax.scan(lambda c, x: (c, f(x)), 0, x)[1]
    ),
    "shard_map with a sum over devices": lambda f: through_shard_map(
        f, lambda y: lax.psum(y, "i"), PartitionSpec()
    ),
    "vmap of custom_vmap": lambda f: (
        lambda x: jax.vmap(through_custom_vmap(f))(jnp.stack([x, -x])).sum()
    ),
    "closed-over constants": lambda f: jax.jit(lambda x: (f(TABLE * x) * TABLE).sum()),
    "custom rule": with_rule_around,
    "integers, pytrees, nondiff_argnums": in_arguments,
    "symbolic zeros": with_symbolic_zeros,
}
# The same without a rule, where the place brings one along.
PLAIN_PLACES = PLACES | {
    "custom rule": lambda f: f,
    "integers, pytrees, nondiff_argnums": lambda f: lambda x: 3 * f(x) ** 2,
    "symbolic zeros": lambda f: lambda x: 2 * f(x),
}
# A loop without a fixed number of turns has no reverse mode, nor has JAX one for a
# custom_vmap that is not under vmap.
FORWARD_PLACES = {
    "while_loop": through_while,
    "while_loop in jit": lambda f: jax.jit(through_while(f)),
    "fori_loop with traced bounds": lambda f: (
        lambda x: lax.fori_loop(0, jnp.int32(x) + 2, lambda i, x: 0.3 * f(x), x)
    ),
}
NOT_LINEARIZED_PLACES = {
    "custom_vmap": through_custom_vmap,
    "custom_vmap in jit": lambda f: jax.jit(through_custom_vmap(f)),
}

# A program may take derivatives itself.
INNER_DERIVATIVES = {
    "grad": lambda f: lambda x: x * jax.grad(f)(x),
    "grad of jit": lambda f: lambda x: jax.grad(jax.jit(f))(x),
    "jit of grad": lambda f: jax.jit(jax.grad(f)),
    "grad of grad": lambda f: jax.grad(jax.grad(f)),
    "jvp": lambda f: lambda x: jax.jvp(f, (x,), (x,))[1],
    "vjp": lambda f: lambda x: jax.vjp(f, x)[1](x)[0],
    "linearize": lambda f: lambda x: jax.linearize(f, x)[1](x),
    "jacfwd": jax.jacfwd,
    "hessian": jax.hessian,
    "grad in vmap": lambda f: lambda x: jax.vmap(jax.grad(f))(jnp.stack([x, -x])).sum(),
    "grad of vmap": lambda f: jax.grad(PLACES["vmap"](f)),
    "grad in scan": lambda f: through_scan(jax.grad(f)),
    "grad of scan": lambda f: jax.grad(through_scan(f)),
    "grad of checkpoint": lambda f: jax.grad(jax.checkpoint(f)),
    "grad in cond": lambda f: PLACES["cond"](jax.grad(f)),
    "grad of shard_map": lambda f: jax.grad(through_shard_map(f)),
    "grad in shard_map": lambda f: through_shard_map(jax.vmap(jax.grad(f))),
    "grad of custom_vmap": lambda f: jax.grad(PLACES["vmap of custom_vmap"](f)),
    "grad in a custom rule": lambda f: jax.grad(with_rule_around(jax.grad(f))),
}
# What the last of them is without its own rule.
PLAIN_INNER_DERIVATIVES = INNER_DERIVATIVES | {
    "grad in a custom rule": lambda f: jax.grad(jax.grad(f))
}

TRANSFORMATIONS = {
    "grad": jax.grad,
    "jit of grad": lambda f: jax.jit(jax.grad(f)),
    "jvp": lambda f: lambda x: jax.jvp(f, (x,), (jnp.float32(2),)),
    "jacfwd": jax.jacfwd,
    "hessian": jax.hessian,
    "linearize": lambda f: lambda x: jax.linearize(f, x)[1](jnp.float32(2)),
    "vmap of grad": lambda f: lambda x: jax.vmap(jax.grad(f))(jnp.stack([x, 0.9 * x])),
}
FORWARD_TRANSFORMATIONS = {
    "jvp": TRANSFORMATIONS["jvp"],
    "jit of jvp": lambda f: jax.jit(TRANSFORMATIONS["jvp"](f)),
    "jacfwd": jax.jacfwd,
    "jacfwd of jacfwd": lambda f: jax.jacfwd(jax.jacfwd(f)),
    "linearize": TRANSFORMATIONS["linearize"],
    "vmap of jacfwd": lambda f: (
        lambda x: jax.vmap(jax.jacfwd(f))(jnp.stack([x, 0.9 * x]))
    ),
}

EVERY_PLACE = PLACES | FORWARD_PLACES | NOT_LINEARIZED_PLACES


def traced_before(f):
    """`f` as a program that knows of no Python function any more."""
    program = jax.make_jaxpr(f)(X)
    return lambda x: jex.core.jaxpr_as_fun(program)(x)[0]
