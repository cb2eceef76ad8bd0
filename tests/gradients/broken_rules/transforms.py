"""Rules that break under a transformation: axes, meshes, closures, Python state."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .example import Example, elementwise, normals, reverse_rule

normal = normals(18)


def over_batch(f):
    """`f` mapped over a named axis, as data parallel training runs it."""
    return jax.vmap(f, axis_name="batch")


def _share(x):
    return x / lax.psum(x**2, "batch")


def share_with(reduce):
    """The part of an example in the whole; `reduce` is for the cotangents."""

    def forward(x):
        return _share(x), (x, lax.psum(x**2, "batch"), lax.axis_size("batch"))

    def backward(saved, g):
        x, total, size = saved
        return (g / total - 2 * x * reduce(g * x, size) / total**2,)

    return reverse_rule(_share, forward, backward)


share_of_mean = share_with(lambda d, size: lax.psum(d, "batch") / size)
share_not_reduced = share_with(lambda d, size: d)


def _center(x):
    return x - lax.pmean(x, "batch")


center = reverse_rule(_center, lambda x: (_center(x), ()), lambda saved, g: (g,))


def _synchronized_norm(x):
    return _synchronized_forward(x)[0]


def _synchronized_forward(x):
    mean = lax.pmean(x.mean(0), "batch")
    r = lax.rsqrt(lax.pmean(((x - mean) ** 2).mean(0), "batch") + 1e-5)
    y = (x - mean) * r
    return y, (y, r)


def _synchronized_backward(saved, g):
    y, r = saved
    # the means of the cotangent are over this replica alone
    return (r * (g - g.mean(0) - y * (g * y).mean(0)),)


synchronized_norm = reverse_rule(
    _synchronized_norm, _synchronized_forward, _synchronized_backward
)


def on_devices(f):
    """`f` on up to four devices, the first axis of its argument divided."""

    def run(x):
        devices = jax.devices()[:4]
        devices = devices[: len(devices) if len(devices) != 3 else 2]
        mesh = jax.sharding.Mesh(np.array(devices), ("data",))
        spec = jax.sharding.PartitionSpec("data")
        return jax.shard_map(f, mesh=mesh, in_specs=spec, out_specs=spec)(x)

    return run


swish_of_shard = elementwise(
    lambda x: x * jax.nn.sigmoid(x), lambda x: jax.nn.sigmoid(x) * (1 + x)
)

DEVICES = 8  # of the machine where it was written

square_per_device = reverse_rule(
    lambda x: x**2 / lax.axis_size("data"),
    lambda x: (x**2 / lax.axis_size("data"), x),
    lambda x, g: (2 * x * g / DEVICES,),
)


shard_mean = reverse_rule(
    lambda x: x.mean(0, keepdims=True),
    lambda x: (x.mean(0, keepdims=True), x),
    lambda x, g: (jnp.broadcast_to(g / (2 * x.shape[0]), x.shape),),
)

_last = {}


def _remembering_forward(x):
    _last["x"] = x
    return jnp.sin(x), ()


# two calls before the first backward pass: the second's input serves both
sine_with_memory = reverse_rule(
    lambda x: jnp.sin(x),
    _remembering_forward,
    lambda saved, g: (g * jnp.cos(_last["x"]),),
)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def scaled(x, weight):
    return x * weight


scaled.defjvp(lambda weight, x, t: (x[0] * weight, t[0] * weight))


def layer_over_tracer(x, weight):
    """A rule defined around an argument of the program."""
    layer = reverse_rule(
        lambda x: x @ weight,
        lambda x: (x @ weight, ()),
        lambda saved, g: (g @ weight.T,),
    )
    return layer(x)


BATCH = 8


def _batch_loss(x):
    return (x**2).sum() / BATCH


# a microbatch is smaller than the batch
batch_loss = reverse_rule(
    _batch_loss, lambda x: (_batch_loss(x), x), lambda x, g: (2 * g * x / x.shape[0],)
)


def microbatches(x):
    """The loss of a batch in two steps."""
    return lax.scan(lambda total, part: (total + batch_loss(part), None), 0.0, x)[0]


@jax.custom_batching.custom_vmap
def slope(x):
    return jnp.cos(x)


@slope.def_vmap
def _slope_of_batch(axis_size, in_batched, x):
    # every example gets the slope of the first
    return jnp.broadcast_to(jnp.cos(x[:1]), x.shape), True


sine_of_batch = reverse_rule(
    lambda x: jnp.sin(x), lambda x: (jnp.sin(x), x), lambda x, g: (g * slope(x),)
)


EXAMPLES = (
    Example(
        "pmean_for_psum",
        over_batch(share_of_mean),
        (normal(4, 3),),
        "The cotangents are averaged over the axis where they are summed.",
    ),
    Example(
        "psum_missing_backward",
        over_batch(share_not_reduced),
        (normal(4, 3),),
        "The cotangents of the other examples are not summed.",
    ),
    Example(
        "pmean_of_centering_missing",
        over_batch(center),
        (normal(4, 3),),
        "The mean over the axis is taken as a constant.",
    ),
    Example(
        "synchronized_norm_with_local_means",
        over_batch(synchronized_norm),
        (normal(2, 3, 4),),
        "The backward pass averages over its replica alone.",
    ),
    Example(
        "shard_map_of_a_wrong_slope",
        on_devices(swish_of_shard),
        (normal(8, 2),),
        "A swish whose slope has lost a factor, on the shards of a mesh.",
    ),
    Example(
        "device_count_written_in",
        on_devices(square_per_device),
        (normal(8, 2),),
        "The backward pass divides by 8 devices, the forward pass by those there are.",
    ),
    Example(
        "shard_mean_of_twice_the_rows",
        on_devices(shard_mean),
        (normal(8, 2),),
        "The mean's cotangent is divided by twice the rows of a shard.",
    ),
    Example(
        "residual_in_a_global",
        lambda x: sine_with_memory(x) * sine_with_memory(2 * x),
        (normal(4),),
        "The residual is kept in a global: a second call overwrites it.",
    ),
    Example(
        "static_array_of_a_traced_program",
        jax.jit(lambda x, weight: scaled(x, weight)),
        (normal(4), normal(4)),
        "A traced array is a static argument: differentiation raises, as in "
        "jax-ml/jax#20889.",
    ),
    Example(
        "closure_over_a_traced_weight",
        layer_over_tracer,
        (normal(3, 4), normal(4, 2)),
        "The rule closes over the weight: it raises or the weight has no gradient.",
    ),
    Example(
        "microbatch_taken_as_batch",
        microbatches,
        (normal(2, 4, 3),),
        "The backward pass divides by the rows it sees, the forward pass by the batch.",
    ),
    Example(
        "slope_of_the_first_example",
        jax.vmap(sine_of_batch),
        (normal(4, 3),),
        "Under vmap the backward pass calls a function whose batch rule is wrong.",
    ),
)
