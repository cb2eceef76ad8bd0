"""Small models that the tests of `funcnn.training` share."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funcnn as fn

training = fn.training
SGD = optax.sgd(0.1)


def regression(model):
    return training.supervised(model, fn.squared_error)


def classification(model):
    metrics = {"accuracy": training.accuracy}
    return training.supervised(model, fn.softmax_cross_entropy, metrics)


def train_state(model, optimizer=SGD, inputs=2, seed=0):
    x = jax.ShapeDtypeStruct((1, inputs), jnp.float32)
    return training.TrainState.create(model, optimizer, jax.random.key(seed), x)


def pairs(n, inputs=2, outputs=1, seed=0):
    draw = np.random.default_rng(seed)
    shapes = (n, inputs), (n, outputs)
    return tuple(draw.normal(size=shape).astype(np.float32) for shape in shapes)


def classes(n, seed=0):
    points, labels = fn.data.two_classes(jax.random.key(seed), n)
    return np.asarray(points), np.asarray(labels)


def copied(tree):
    """A copy that is still there when the original was donated."""
    return jax.tree.map(jnp.array, tree)


# What the tests of the step's options train.

NET = fn.Chain(fn.Dense(7), fn.tanh, fn.Dense(1))
NET_LOSS = regression(NET)
BATCH = pairs(12)

# What the tests of `fit` train.

MODEL = fn.Chain(fn.Dense(16), fn.tanh, fn.Dropout(0.1), fn.Dense(2))
LOSS = classification(MODEL)
ADAM = optax.adam(0.05)
TRAIN, TEST = classes(40), classes(30, seed=1)


def fitted(train_data=TRAIN, test_data=None, **options):
    options = {"epochs": 2, "batch_size": 10, "progress": False} | options
    return training.fit(
        LOSS, ADAM, train_state(MODEL, ADAM), train_data, test_data, **options
    )


class Recorder:
    """A progress display that remembers."""

    def __init__(self):
        self.calls = []

    def batch(self, epoch, done, total):
        self.calls.append((epoch, done, total))

    def epoch(self, record):
        self.calls.append(dict(record))
