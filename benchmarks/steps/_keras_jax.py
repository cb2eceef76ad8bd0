"""The workloads in Keras on JAX."""

from typing import Any

import jax
import jax.numpy as jnp
import keras
from keras import layers

from benchmarks.steps import _workloads as w
from benchmarks.steps._jax import descended, number_of
from benchmarks.steps._protocol import Looped, Trainer


def build(workload: w.Workload) -> Trainer:
    """The trainer of a workload, as Keras's guide to loops on JAX writes it."""
    keras.utils.set_random_seed(0)
    batch = tuple(map(jnp.asarray, workload.data()))
    if workload.name == "attention":
        return descended(_attention, batch)
    inputs = keras.Input(batch[0].shape[1:], dtype=batch[0].dtype.name)
    model = keras.Model(inputs, _MODELS[workload.name](inputs))
    optimizer = keras.optimizers.Adam(w.RATE)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss_fn(trained: Any, others: Any, inputs: Any, labels: Any) -> Any:
        logits, others = model.stateless_call(trained, others, inputs, training=True)
        return loss_of(labels, logits), others

    def step(trained: Any, others: Any, slots: Any, *batch: Any) -> tuple[Any, ...]:
        gradient = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, others), grads = gradient(trained, others, *batch)
        trained, slots = optimizer.stateless_apply(slots, grads, trained)
        return trained, others, slots, loss

    variables = (
        model.trainable_variables,
        model.non_trainable_variables,
        optimizer.variables,
    )
    carry = tuple([variable.value for variable in group] for group in variables)
    jitted = jax.jit(step, donate_argnums=(0, 1, 2))
    return Looped(jitted, carry, batch, number_of(carry[0]))


def _attention(query: jax.Array, key: jax.Array, value: jax.Array) -> Any:
    return keras.ops.dot_product_attention(query, key, value, is_causal=True)


def _mlp(x: Any) -> Any:
    x = layers.Dense(w.HIDDEN, activation="relu")(x)
    return layers.Dense(w.CLASSES)(x)


def _cnn(x: Any) -> Any:
    for channels in (32, 64):
        x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    return layers.Dense(w.CLASSES)(x)


def _convolved(x: Any, channels: int, size: int, stride: int = 1) -> Any:
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def _block(x: Any, channels: int, stride: int) -> Any:
    y = layers.ReLU()(_convolved(x, channels, 3, stride))
    y = _convolved(y, channels, 3)
    x = _convolved(x, channels, 1, stride) if stride > 1 else x
    return layers.ReLU()(layers.Add()([x, y]))


def _resnet(x: Any) -> Any:
    x = layers.ReLU()(_convolved(x, w.RESNET_CHANNELS[0], 3))
    for channels in w.RESNET_CHANNELS:
        x = _block(x, channels, channels // x.shape[-1])
        x = _block(x, channels, 1)
    return layers.Dense(w.CLASSES)(layers.GlobalAveragePooling2D()(x))


def _norm(x: Any) -> Any:
    return layers.LayerNormalization(epsilon=1e-5)(x)


def _gelu(x: Any) -> Any:
    return keras.activations.gelu(x, approximate=True)


def _draw() -> Any:
    return keras.initializers.RandomNormal(stddev=w.EMBEDDING_DEVIATION)


class _Positions(layers.Layer):
    """Adds a learned row for each position."""

    def build(self, shape: Any) -> None:
        self.rows = self.add_weight(shape=shape[1:], initializer=_draw())

    def call(self, x: Any) -> Any:
        return x + self.rows


def _gpt(tokens: Any) -> Any:
    x = layers.Embedding(w.VOCABULARY, w.WIDTH, _draw())(tokens)
    x = _Positions()(x)
    for _ in range(w.DEPTH):
        attention = layers.MultiHeadAttention(w.HEADS, w.WIDTH // w.HEADS)
        h = _norm(x)
        x = x + attention(h, h, use_causal_mask=True)
        h = layers.Dense(4 * w.WIDTH, activation=_gelu)(_norm(x))
        x = x + layers.Dense(w.WIDTH)(h)
    return layers.Dense(w.VOCABULARY)(_norm(x))


def _lstm(x: Any) -> Any:
    return layers.Dense(w.CLASSES)(layers.LSTM(w.FEATURES)(x))


_MODELS = {"mlp": _mlp, "cnn": _cnn, "resnet": _resnet, "gpt": _gpt, "lstm": _lstm}
