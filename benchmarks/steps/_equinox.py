"""The workloads in Equinox."""

import itertools
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from benchmarks.steps import _workloads as w
from benchmarks.steps._jax import cross_entropy, descended, number_of
from benchmarks.steps._protocol import Looped, Trainer

Keys = Iterator[jax.Array]


def build(workload: w.Workload) -> Trainer:
    """The trainer of a workload: models of one example under `jax.vmap`."""
    batch = tuple(map(jnp.asarray, workload.data()))
    if workload.name == "attention":
        return descended(_attention(), batch)
    if workload.name in ("cnn", "resnet"):  # channels first, as Equinox has it
        batch = (batch[0].transpose(0, 3, 1, 2), batch[1])
    keys = (jax.random.key(number) for number in itertools.count())
    model, state = eqx.nn.make_with_state(_MODELS[workload.name])(keys)
    model = _drawn(model, keys)
    optimizer = optax.adam(w.RATE)

    def loss_fn(model: Any, state: Any, inputs: Any, labels: Any) -> Any:
        over = jax.vmap(model, (0, None), (0, None), axis_name="batch")
        logits, state = over(inputs, state)
        return cross_entropy(logits, labels), state

    @eqx.filter_jit(donate="all-except-first")
    def step(batch: Any, model: Any, state: Any, opt_state: Any) -> tuple[Any, ...]:
        gradient = eqx.filter_value_and_grad(loss_fn, has_aux=True)
        (loss, state), grads = gradient(model, state, *batch)
        updates, opt_state = optimizer.update(grads, opt_state, model)
        return eqx.apply_updates(model, updates), state, opt_state, loss

    def carried(*arrays: Any) -> tuple[Any, ...]:
        *carry, inputs, labels = arrays
        return step((inputs, labels), *carry)

    arrays = eqx.filter(model, eqx.is_inexact_array)
    return Looped(
        carried, (model, state, optimizer.init(arrays)), batch, number_of(arrays)
    )


def _drawn(model: Any, keys: Keys) -> Any:
    """The model with kernels drawn with variance 1 / fan-in, as the others do."""

    def draw(leaf: Any) -> Any:
        if not eqx.is_inexact_array(leaf) or leaf.ndim < 2:
            return leaf
        return jax.random.normal(next(keys), leaf.shape) * leaf[0].size ** -0.5

    def is_table(part: Any) -> bool:
        return isinstance(part, eqx.nn.Embedding)

    def part_drawn(part: Any) -> Any:
        return part if is_table(part) else draw(part)

    return jax.tree.map(part_drawn, model, is_leaf=is_table)


def _attention() -> Any:
    """Equinox's layer with nothing for its four projections."""
    *_, heads, features = w.ATTENTION
    layer = eqx.nn.MultiheadAttention(heads, heads * features, key=jax.random.key(0))
    names = ("query_proj", "key_proj", "value_proj", "output_proj")
    layer = eqx.tree_at(
        lambda layer: [getattr(layer, name) for name in names],
        layer,
        [eqx.nn.Identity()] * len(names),
    )

    def attention(*arrays: jax.Array) -> jax.Array:
        time = arrays[0].shape[1]
        seen = jnp.tril(jnp.ones((time, time), bool))
        flat = [a.reshape(*a.shape[:2], -1) for a in arrays]
        y = jax.vmap(lambda q, k, v: layer(q, k, v, mask=seen))(*flat)
        return y.reshape(arrays[0].shape)

    return attention


class _Stateless(eqx.Module):
    """Passes the state by a model that has none."""

    model: Any

    def __call__(self, x: jax.Array, state: Any) -> tuple[jax.Array, Any]:
        return self.model(x), state


def _mlp(keys: Keys) -> Any:
    mlp = eqx.nn.MLP(w.PIXELS, w.CLASSES, w.HIDDEN, depth=1, key=next(keys))
    return _Stateless(mlp)


def _cnn(keys: Keys) -> Any:
    return eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(1, 32, 3, padding=1, key=next(keys)),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.Conv2d(32, 64, 3, padding=1, key=next(keys)),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(49 * 64, 128, key=next(keys)),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(128, w.CLASSES, key=next(keys)),
        ]
    )


def _convolved(keys: Keys, inputs: int, outputs: int, size: int, stride: int) -> Any:
    conv = eqx.nn.Conv2d(
        inputs, outputs, size, stride, size // 2, use_bias=False, key=next(keys)
    )
    norm = eqx.nn.BatchNorm(outputs, "batch", momentum=0.9, mode="batch")
    return eqx.nn.Sequential([conv, norm])


class _Block(eqx.nn.StatefulLayer):
    first: Any
    second: Any
    shortcut: Any

    def __init__(self, keys: Keys, inputs: int, outputs: int, stride: int) -> None:
        self.first = _convolved(keys, inputs, outputs, 3, stride)
        self.second = _convolved(keys, outputs, outputs, 3, 1)
        self.shortcut = (
            _convolved(keys, inputs, outputs, 1, stride) if stride > 1 else None
        )

    def __call__(self, x: jax.Array, state: Any, *, key: Any = None) -> Any:
        y, state = self.first(x, state)
        y, state = self.second(jax.nn.relu(y), state)
        if self.shortcut is not None:
            x, state = self.shortcut(x, state)
        return jax.nn.relu(x + y), state


def _mean(x: jax.Array) -> jax.Array:
    return x.mean((1, 2))


def _resnet(keys: Keys) -> Any:
    inputs = w.RESNET_CHANNELS[0]
    layers = [_convolved(keys, 3, inputs, 3, 1), eqx.nn.Lambda(jax.nn.relu)]
    for channels in w.RESNET_CHANNELS:
        layers.append(_Block(keys, inputs, channels, channels // inputs))
        layers.append(_Block(keys, channels, channels, 1))
        inputs = channels
    out = eqx.nn.Linear(inputs, w.CLASSES, key=next(keys))
    return eqx.nn.Sequential([*layers, eqx.nn.Lambda(_mean), out])


class _TransformerBlock(eqx.Module):
    norm1: Any
    norm2: Any
    attention: Any
    up: Any
    down: Any

    def __init__(self, keys: Keys) -> None:
        self.norm1, self.norm2 = eqx.nn.LayerNorm(w.WIDTH), eqx.nn.LayerNorm(w.WIDTH)
        biases = [f"use_{name}_bias" for name in ("query", "key", "value", "output")]
        self.attention = eqx.nn.MultiheadAttention(
            w.HEADS, w.WIDTH, **dict.fromkeys(biases, True), key=next(keys)
        )
        self.up = eqx.nn.Linear(w.WIDTH, 4 * w.WIDTH, key=next(keys))
        self.down = eqx.nn.Linear(4 * w.WIDTH, w.WIDTH, key=next(keys))

    def __call__(self, x: jax.Array) -> jax.Array:
        h = jax.vmap(self.norm1)(x)
        seen = jnp.tril(jnp.ones((x.shape[0], x.shape[0]), bool))
        x = x + self.attention(h, h, h, mask=seen)
        h = jax.nn.gelu(jax.vmap(self.up)(jax.vmap(self.norm2)(x)))
        return x + jax.vmap(self.down)(h)


class _GPT(eqx.Module):
    tokens: Any
    positions: Any
    blocks: list[Any]
    norm: Any
    logits: Any

    def __init__(self, keys: Keys) -> None:
        tables = [
            w.EMBEDDING_DEVIATION * jax.random.normal(next(keys), (rows, w.WIDTH))
            for rows in (w.VOCABULARY, w.LENGTH)
        ]
        self.tokens, self.positions = (eqx.nn.Embedding(weight=t) for t in tables)
        self.blocks = [_TransformerBlock(keys) for _ in range(w.DEPTH)]
        self.norm = eqx.nn.LayerNorm(w.WIDTH)
        self.logits = eqx.nn.Linear(w.WIDTH, w.VOCABULARY, key=next(keys))

    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = jax.vmap(self.tokens)(tokens) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        return jax.vmap(self.logits)(jax.vmap(self.norm)(x))


def _gpt(keys: Keys) -> Any:
    return _Stateless(_GPT(keys))


class _LSTM(eqx.Module):
    cell: Any
    out: Any

    def __init__(self, keys: Keys) -> None:
        self.cell = eqx.nn.LSTMCell(w.INPUTS, w.FEATURES, key=next(keys))
        self.out = eqx.nn.Linear(w.FEATURES, w.CLASSES, key=next(keys))

    def __call__(self, x: jax.Array) -> jax.Array:
        def step(carry: Any, x: jax.Array) -> tuple[Any, None]:
            return self.cell(x, carry), None

        zeros = jnp.zeros(w.FEATURES)
        (h, _), _ = jax.lax.scan(step, (zeros, zeros), x)
        return self.out(h)


def _lstm(keys: Keys) -> Any:
    return _Stateless(_LSTM(keys))


_MODELS: dict[str, Any] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet": _resnet,
    "gpt": _gpt,
    "lstm": _lstm,
}
