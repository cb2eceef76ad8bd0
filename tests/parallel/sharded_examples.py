"""Small models, meshes and partitions that the tests of `funcnn.parallel` share."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funcnn as fn

parallel, training = fn.parallel, fn.training
STEPS = 20


class Example(NamedTuple):
    model: fn.Layer
    batches: tuple

    @property
    def loss(self):
        return training.supervised(self.model, fn.softmax_cross_entropy)


def digits(axis_name=None):
    """A CNN with batch norm and dropout, on batches of 16 digits of 14 x 14 pixels."""
    model = fn.Chain(
        fn.Conv(8, (3, 3)),
        fn.BatchNorm(momentum=0.9, axis_name=axis_name),
        fn.relu,
        fn.MaxPool((2, 2)),
        fn.Conv(16, (3, 3), stride=2),
        fn.relu,
        fn.Flatten(),
        fn.Dropout(0.3, axis_name=axis_name),
        fn.Dense(16),
        fn.relu,
        fn.Dense(10),
    )
    images, labels = fn.data.digits().train
    images = images[:64, ::2, ::2]
    return Example(model, tuple(zip(np.split(images, 4), np.split(labels[:64], 4))))


def language(axis_name=None):
    """A small transformer, on batches of 16 sequences of 6 tokens."""
    block = fn.TransformerBlock(
        fn.MultiHeadAttention(4, kv_heads=2, causal=True, rotary=True),
        norm=fn.RMSNorm(),
        dropout=fn.Dropout(0.1, axis_name=axis_name),
    )
    model = fn.Chain(fn.Embed(24, 16), fn.Repeat(block, 2), fn.Dense(24))
    draw = np.random.default_rng(0)
    tokens = draw.integers(0, 24, (4, 16, 7)).astype(np.int32)
    return Example(model, tuple((rows[:, :-1], rows[:, 1:]) for rows in tokens))


EXAMPLES = {"digits": digits, "language": language}

FSDP = parallel.fully_sharded(smallest=32)
TENSOR = parallel.tensor_parallel()
MIXTURE = parallel.fully_sharded(TENSOR, smallest=32)
# name -> the sizes of the mesh, and the partition
PARTITIONS = {
    "data parallel": ((8, 1), None),
    "fully sharded": ((8, 1), FSDP),
    "tensor parallel": ((1, 8), TENSOR),
    "mixture": ((4, 2), MIXTURE),
}


class Recorded(NamedTuple):
    gradient: object


def recording(optimizer):
    """The optimizer, which keeps the last gradient in its state."""

    def init(params):
        return Recorded(jax.tree.map(jnp.zeros_like, params))

    def update(updates, state, params=None):
        return updates, Recorded(updates)

    return optax.chain(optax.GradientTransformation(init, update), optimizer)


OPTIMIZER = recording(optax.sgd(0.05, momentum=0.9))


def started(example, mesh=None, partition=None, optimizer=OPTIMIZER, seed=0):
    inputs, _ = example.batches[0]
    key = jax.random.key(seed)
    return training.TrainState.create(
        example.model, optimizer, key, inputs, mesh=mesh, partition=partition
    )


def trained(example, mesh=None, partition=None, steps=STEPS, **options):
    """The losses of all steps and, of every fifth, the gradient; and the last state."""
    step = training.make_step(
        example.loss, OPTIMIZER, mesh=mesh, partition=partition, **options
    )
    state = started(example, mesh, partition)
    losses, gradients = [], []
    for number in range(steps):
        batch = example.batches[number % len(example.batches)]
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
        gradients.append(jax.device_get(state.opt_state[0].gradient))
    return np.array(losses), gradients, state


def equal(a, b):
    """Whether two train states have the same bits, wherever they are."""
    same = jax.tree.structure(a) == jax.tree.structure(b)
    pairs = zip(jax.tree.leaves(bits(a)), jax.tree.leaves(bits(b)), strict=True)
    return same and all(np.array_equal(x, y) for x, y in pairs)


def bits(tree):
    """Copies as NumPy has them, a key as its numbers."""
    keys = jax.dtypes.prng_key

    def one(leaf):
        is_key = jnp.issubdtype(leaf.dtype, keys)
        return np.array(jax.random.key_data(leaf) if is_key else leaf)

    return jax.tree.map(one, tree)
