"""The workloads in Flax NNX."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.steps import _workloads as w
from benchmarks.steps._jax import cross_entropy, descended, number_of
from benchmarks.steps._protocol import Looped, Trainer


def build(workload: w.Workload) -> Trainer:
    """The trainer of a workload, its step as in the guide to performance of Flax."""
    batch = tuple(map(jnp.asarray, workload.data()))
    if workload.name == "attention":
        return descended(_attention, batch)
    model = _MODELS[workload.name](nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(w.RATE), wrt=nnx.Param)

    @nnx.jit(donate_argnums=(0, 1))
    def step(model: Any, optimizer: Any, inputs: Any, labels: Any) -> tuple[Any]:
        def loss_fn(model: Any) -> jax.Array:
            return cross_entropy(model(inputs), labels)

        loss, grads = nnx.value_and_grad(loss_fn)(model)
        optimizer.update(model, grads)
        return (loss,)

    # does not go through the model's objects anew in each step
    cached = nnx.cached_partial(step, model, optimizer)
    return Looped(cached, (), batch, number_of(nnx.state(model, nnx.Param)))


def _attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    return nnx.dot_product_attention(query, key, value, is_causal=True)


def _mlp(rngs: nnx.Rngs) -> Any:
    hidden = nnx.Linear(w.PIXELS, w.HIDDEN, rngs=rngs)
    return nnx.Sequential(hidden, nnx.relu, nnx.Linear(w.HIDDEN, w.CLASSES, rngs=rngs))


def _max_pool(x: jax.Array) -> jax.Array:
    return nnx.max_pool(x, (2, 2), (2, 2))


def _flat(x: jax.Array) -> jax.Array:
    return x.reshape(x.shape[0], -1)


def _cnn(rngs: nnx.Rngs) -> Any:
    return nnx.Sequential(
        nnx.Conv(1, 32, (3, 3), rngs=rngs),
        nnx.relu,
        _max_pool,
        nnx.Conv(32, 64, (3, 3), rngs=rngs),
        nnx.relu,
        _max_pool,
        _flat,
        nnx.Linear(49 * 64, 128, rngs=rngs),
        nnx.relu,
        nnx.Linear(128, w.CLASSES, rngs=rngs),
    )


class _Convolved(nnx.Module):
    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int, rngs: nnx.Rngs
    ) -> None:
        sizes, strides = (size, size), (stride, stride)
        self.conv = nnx.Conv(inputs, outputs, sizes, strides, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.norm(self.conv(x))


class _Block(nnx.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, rngs: nnx.Rngs) -> None:
        self.first = _Convolved(inputs, outputs, 3, stride, rngs)
        self.second = _Convolved(outputs, outputs, 3, 1, rngs)
        self.shortcut = (
            _Convolved(inputs, outputs, 1, stride, rngs) if stride > 1 else None
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.second(nnx.relu(self.first(x)))
        return nnx.relu(y + (x if self.shortcut is None else self.shortcut(x)))


def _mean(x: jax.Array) -> jax.Array:
    return x.mean((1, 2))


def _resnet(rngs: nnx.Rngs) -> Any:
    inputs = w.RESNET_CHANNELS[0]
    layers: list[Any] = [_Convolved(3, inputs, 3, 1, rngs), nnx.relu]
    for channels in w.RESNET_CHANNELS:
        layers.append(_Block(inputs, channels, channels // inputs, rngs))
        layers.append(_Block(channels, channels, 1, rngs))
        inputs = channels
    return nnx.Sequential(*layers, _mean, nnx.Linear(inputs, w.CLASSES, rngs=rngs))


class _TransformerBlock(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.norm1 = nnx.LayerNorm(w.WIDTH, rngs=rngs)
        self.norm2 = nnx.LayerNorm(w.WIDTH, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(
            w.HEADS, w.WIDTH, decode=False, rngs=rngs
        )
        self.up = nnx.Linear(w.WIDTH, 4 * w.WIDTH, rngs=rngs)
        self.down = nnx.Linear(4 * w.WIDTH, w.WIDTH, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        seen = nnx.make_causal_mask(x[..., 0])
        x = x + self.attention(self.norm1(x), mask=seen)
        return x + self.down(nnx.gelu(self.up(self.norm2(x))))


class _Embedded(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        draw = nnx.initializers.normal(w.EMBEDDING_DEVIATION)
        options: Any = {"embedding_init": draw, "rngs": rngs}
        self.tokens = nnx.Embed(w.VOCABULARY, w.WIDTH, **options)
        self.positions = nnx.Embed(w.LENGTH, w.WIDTH, **options)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        return self.tokens(tokens) + self.positions(jnp.arange(tokens.shape[1]))


def _gpt(rngs: nnx.Rngs) -> Any:
    return nnx.Sequential(
        _Embedded(rngs),
        *(_TransformerBlock(rngs) for _ in range(w.DEPTH)),
        nnx.LayerNorm(w.WIDTH, rngs=rngs),
        nnx.Linear(w.WIDTH, w.VOCABULARY, rngs=rngs),
    )


def _last(x: jax.Array) -> jax.Array:
    return x[:, -1]


def _lstm(rngs: nnx.Rngs) -> Any:
    cell = nnx.OptimizedLSTMCell(w.INPUTS, w.FEATURES, rngs=rngs)
    out = nnx.Linear(w.FEATURES, w.CLASSES, rngs=rngs)
    return nnx.Sequential(nnx.RNN(cell, rngs=rngs), _last, out)


_MODELS = {"mlp": _mlp, "cnn": _cnn, "resnet": _resnet, "gpt": _gpt, "lstm": _lstm}
