"""Rules inside of JAX's transformations and control flow."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.sharding import PartitionSpec

from .example import Example, array, normal, reverse_rule


def _gated_bwd(saved, g):
    x, gate = saved
    s = jax.nn.sigmoid(gate)
    return g * s, g * x * s * jax.nn.sigmoid(-gate)


gated = reverse_rule(
    lambda x, gate: x * jax.nn.sigmoid(gate),
    lambda x, gate: (x * jax.nn.sigmoid(gate), (x, gate)),
    _gated_bwd,
)
relu = jax.custom_jvp(lambda x: jnp.maximum(x, 0))
relu.defjvps(lambda t, y, x: jnp.where(x > 0, t, 0))


@jax.jit
def jitted(x):
    return jax.jit(lambda x: gated(x, relu(x)))(x).sum()


def scanned(x, gates):
    def step(carry, gate):
        carry = gated(carry + 1, gate)
        return carry, relu(carry - 0.5)

    return lax.scan(step, x, gates, reverse=True)


def branched(x, gate):
    y = lax.cond(x.sum() > 0, gated, lambda x, gate: relu(x) * gate, x, gate)
    return lax.switch(1, [lambda x: x, lambda x: relu(x) + x, jnp.sin], y)


def looped(x, gate):
    return lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, gated(c[1], gate)), (0, x)
    )[1]


solved_by_loop = reverse_rule(
    looped,
    lambda x, gate: (looped(x, gate), (x, gate)),
    lambda saved, g: jax.vjp(lambda x, gate: x * jax.nn.sigmoid(gate) ** 3, *saved)[1](
        g
    ),
)


def counted(x, gate):
    return lax.fori_loop(0, 3, lambda i, x: gated(x, gate * (i + 1)), x)


def rematerialized(x, gate):
    block = jax.checkpoint(
        lambda x: relu(gated(x, gate) + x),
        policy=jax.checkpoint_policies.nothing_saveable,
    )
    return lax.scan(lambda x, _: (block(x), None), x, length=3)[0]


def mapped(x, gate):
    inner = jax.vmap(gated, in_axes=(0, None))
    return jax.vmap(inner, in_axes=(None, 0), out_axes=1)(x, gate)


def sharded(x, weight):
    """The weight is the same on every device, so its cotangents are summed."""
    devices = jax.devices()
    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((len(devices),), ("batch",), auto, devices=devices)
    batch = PartitionSpec("batch")

    def part(x, weight):
        # the rule knows of no devices: what it gets must vary as x does
        weight = lax.pcast(weight, "batch", to="varying")
        weight = jnp.broadcast_to(weight, x.shape)
        return lax.psum(gated(x, weight).sum(), "batch")

    every = jnp.concatenate([x] * len(devices))
    return jax.shard_map(
        part, mesh=mesh, in_specs=(batch, PartitionSpec()), out_specs=PartitionSpec()
    )(every, weight)


@custom_vmap
def batched_by_rule(x, gate):
    return gated(x, gate)


@batched_by_rule.def_vmap
def _batched_by_rule(size, is_batched, x, gate):
    spread = [
        a if b else jnp.broadcast_to(a, (size, *a.shape))
        for a, b in zip((x, gate), is_batched)
    ]
    return gated(*spread), True


def over_custom_vmap(x, gate):
    return jax.vmap(batched_by_rule, in_axes=(0, None))(x, gate)


def own_gradient(x, gate):
    return jax.grad(lambda x: (gated(x, gate) ** 2).sum())(x) * x


def own_hessian_product(x, gate):
    value = lambda x: (gated(x**2, gate)).sum()  # noqa: E731
    return jax.jvp(jax.grad(value), (x,), (gate,))[1]


def penalty(x, gate):
    slope = jax.vmap(jax.grad(lambda a, b: gated(jnp.sin(a), b)))(x, gate)
    return ((jnp.abs(slope) - 1) ** 2).mean()


def used_twice(x, gate):
    y = gated(x, gate)
    return gated(y, x) + gated(y, y)


def mapped_by_loop(x, gate):
    return lax.map(lambda row: gated(row, gate), x, batch_size=2)


def added_up(x):
    return lax.associative_scan(lambda a, b: gated(a, b) + gated(b, a), x)


def late_branch(x, gate):
    """Only the last turn takes the branch with the rule."""
    step = lambda c, i: (lax.cond(i == 3, gated, lambda x, g: x, c, gate), i)  # noqa: E731
    return lax.scan(step, x, jnp.arange(4))[0]


X, GATE = normal(40, 4), normal(41, 4)
BATCH = normal(42, 3, 4)

EXAMPLES = (
    Example("jit in jit", jitted, (X,), "the rules stand in a called program"),
    Example(
        "scan, backwards, both outputs",
        scanned,
        (X, normal(43, 3, 4)),
        "each turn has another input; the carried one is not a program's input",
    ),
    Example(
        "cond and switch",
        branched,
        (X, GATE),
        "only one branch has values at the real inputs",
    ),
    Example(
        "while loop in a rule",
        solved_by_loop,
        (X, GATE),
        "a rule stands in a while loop in the primal of a rule",
    ),
    Example(
        "fori_loop", counted, (X, GATE), "the gate is scaled by the loop's counter"
    ),
    Example(
        "checkpoint in scan",
        rematerialized,
        (X, GATE),
        "the block closes over a traced gate and runs twice",
    ),
    Example(
        "vmap of vmap, mixed axes",
        mapped,
        (X, normal(44, 3)),
        "each argument is batched in another level, and the outputs are transposed",
    ),
    Example(
        "shard_map",
        sharded,
        (normal(45, 2, 3), normal(46, 3)),
        "a replicated weight is cast to varying before the rule",
    ),
    Example(
        "custom_vmap",
        over_custom_vmap,
        (BATCH, GATE),
        "the rule is in the batching rule of another custom function",
    ),
    Example(
        "a gradient taken inside",
        own_gradient,
        (X, GATE),
        "the rule is already used up when the program is traced",
    ),
    Example(
        "a Hessian product taken inside",
        own_hessian_product,
        (X, GATE),
        "forward over reverse of the rule, inside",
    ),
    Example(
        "gradient penalty",
        penalty,
        (X, GATE),
        "the loss is of the gradient, whose gradient is a second derivative",
    ),
    Example(
        "one rule three times",
        used_twice,
        (X, GATE),
        "the same array is both arguments once",
    ),
    Example(
        "map with a batch size",
        mapped_by_loop,
        (BATCH, GATE),
        "three rows in batches of two: the last runs by itself",
    ),
    Example(
        "associative scan",
        added_up,
        (array(0.5, -1.0, 2.0, 0.1, 0.3),),
        "slices of odd lengths, down to size 1 and 0",
    ),
    Example(
        "a branch of the last turn",
        late_branch,
        (X, GATE),
        "the first turn of the scan never runs the rule",
    ),
)
