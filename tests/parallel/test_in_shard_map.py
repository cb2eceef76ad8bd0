"""Layers and losses inside shard_map, of sizes at which rules work in loops.

Only types are looked at, so that no program is compiled: a loop that begins with what
is the same on all devices, and ends with what is not, is refused by JAX.
"""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import PartitionSpec as P

import funcnn as fn

IMAGES = (256, 32, 32, 32)
SEQUENCES = (4, 600, 64)
LAYERS = {
    "conv": (fn.Conv(64, (3, 3)), IMAGES),
    "conv with a stride": (fn.Conv(64, (3, 3), stride=2), IMAGES),
    "depthwise conv": (fn.DepthwiseConv((3, 3)), IMAGES),
    "conv transpose": (fn.ConvTranspose(8, (3, 3)), IMAGES),
    "max pool": (fn.MaxPool((2, 2)), IMAGES),
    "batch norm": (fn.BatchNorm(axis_name="data"), IMAGES),
    "dropout": (fn.Dropout(0.2, axis_name="data"), IMAGES),
    "attention": (fn.MultiHeadAttention(4, rotary=True), SEQUENCES),
    "causal": (fn.MultiHeadAttention(4, causal=True), SEQUENCES),
    "window": (fn.MultiHeadAttention(4, causal=True, window=50), SEQUENCES),
    "lstm": (fn.LSTM(16), SEQUENCES),
    "gru": (fn.GRU(16), SEQUENCES),
    "rnn": (fn.RNN(16), SEQUENCES),
    "min gru": (fn.MinGRU(16), SEQUENCES),
    "experts": (fn.MixtureOfExperts(fn.FeedForward(32), 4), SEQUENCES),
    "repeat": (fn.Repeat(fn.Remat(fn.GatedFeedForward(32)), 2), SEQUENCES),
}


def typed(f, specs, *shapes):
    """The types of f inside shard_map, over a mesh of one device."""
    mesh = fn.parallel.make_mesh(1, devices=jax.devices()[:1])
    mapped = jax.shard_map(f, mesh=mesh, in_specs=specs, out_specs=P(), check_vma=True)
    return jax.eval_shape(mapped, *shapes)


@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)
def test_a_gradient_by_parameters_has_their_types(layer, shape):
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    params, state = jax.eval_shape(layer.init, jax.random.key(0), x)

    def loss(params, state, x):
        key = jax.random.key(1)
        y, _ = layer.apply(params, state, x, key=key, train=True)
        squares = [(leaf**2).mean() for leaf in jax.tree.leaves(y)]
        return lax.pmean(sum(squares), "data")

    found = typed(jax.grad(loss), (P(), P(), P("data")), params, state, x)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), found) == jax.tree.map(
        lambda a: (a.shape, a.dtype), params
    )


@pytest.mark.parametrize("classes", [300, 30_000])
def test_the_loss_of_a_vocabulary_in_chunks_has_a_gradient(classes):
    def loss(kernel, x):
        labels = jnp.zeros(x.shape[0], jnp.int32)
        mean = fn.linear_cross_entropy(x, kernel, labels).mean()
        return lax.pmean(mean, "data")

    kernel = jax.ShapeDtypeStruct((64, classes), jnp.float32)
    x = jax.ShapeDtypeStruct((4096, 64), jnp.float32)
    assert typed(jax.grad(loss), (P(), P("data")), kernel, x).shape == kernel.shape
