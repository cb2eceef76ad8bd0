"""The workloads in funcnn, as its README has them written."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

import funcnn as fn
from benchmarks.steps import _workloads as w
from benchmarks.steps._jax import descended, number_of
from benchmarks.steps._protocol import Looped, Trainer
from funcnn.layers import (
    BatchNorm,
    Chain,
    Conv,
    Dense,
    Embed,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    MaxPool,
    MultiHeadAttention,
    Residual,
    TransformerBlock,
)


def build(workload: w.Workload) -> Trainer:
    """The trainer of a workload."""
    batch = tuple(map(jnp.asarray, workload.data()))
    if workload.name == "attention":
        return descended(_attention, batch)
    model = _MODELS[workload.name]()
    optimizer = optax.adam(w.RATE)
    state = fn.training.TrainState.create(model, optimizer, jax.random.key(0), batch[0])
    loss_fn = fn.training.supervised(model, fn.softmax_cross_entropy)
    step = fn.training.make_step(loss_fn, optimizer)

    def reported(state: Any, inputs: Any, labels: Any) -> tuple[Any, Any]:
        state, metrics = step(state, (inputs, labels))
        return state, metrics["loss"]

    return Looped(reported, (state,), batch, number_of(state.params))


def _attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    return fn.ops.dot_product_attention(query, key, value, causal=True)


def _mlp() -> Chain:
    return Chain(Dense(w.HIDDEN), fn.relu, Dense(w.CLASSES))


def _cnn() -> Chain:
    return Chain(
        Conv(32, (3, 3)),
        fn.relu,
        MaxPool((2, 2)),
        Conv(64, (3, 3)),
        fn.relu,
        MaxPool((2, 2)),
        Flatten(),
        Dense(128),
        fn.relu,
        Dense(w.CLASSES),
    )


def _convolved(channels: int, size: int, stride: int = 1) -> Chain:
    conv = Conv(channels, (size, size), stride, use_bias=False)
    return Chain(conv, BatchNorm())


def _block(channels: int, stride: int) -> Chain:
    layer = Chain(_convolved(channels, 3, stride), fn.relu, _convolved(channels, 3))
    shortcut = _convolved(channels, 1, stride) if stride > 1 else None
    return Chain(Residual(layer, shortcut), fn.relu)


def _resnet() -> Chain:
    first, *others = w.RESNET_CHANNELS
    blocks = [_block(first, 1), _block(first, 1)]
    for channels in others:
        blocks += [_block(channels, 2), _block(channels, 1)]
    stem = Chain(_convolved(first, 3), fn.relu)
    return Chain(stem, *blocks, GlobalAvgPool(), Dense(w.CLASSES))


_draw = jax.nn.initializers.normal(w.EMBEDDING_DEVIATION)


@dataclasses.dataclass(frozen=True, repr=False)
class _Positions(fn.Layer):
    """Adds a learned row for each position: (..., t, d) -> (..., t, d)."""

    def init(self, key: jax.Array, x: Any) -> tuple[Any, Any]:
        shape = x.shape[-2:]
        return {"embedding": _draw(key, shape, x.dtype)}, ()

    def apply(
        self,
        params: Any,
        state: Any,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, Any]:
        return x + params["embedding"], state


def _gpt() -> Chain:
    blocks = [
        TransformerBlock(MultiHeadAttention(w.HEADS, causal=True))
        for _ in range(w.DEPTH)
    ]
    return Chain(
        Embed(w.VOCABULARY, w.WIDTH, _draw),
        _Positions(),
        *blocks,
        LayerNorm(),
        Dense(w.VOCABULARY),
    )


def _last(x: jax.Array) -> jax.Array:
    return x[:, -1]


def _lstm() -> Chain:
    return Chain(fn.LSTM(w.FEATURES), _last, Dense(w.CLASSES))


_MODELS = {"mlp": _mlp, "cnn": _cnn, "resnet": _resnet, "gpt": _gpt, "lstm": _lstm}
