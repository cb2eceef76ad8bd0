"""The workloads in Haiku."""

from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp

from benchmarks.steps import _workloads as w
from benchmarks.steps._jax import adam_step, cross_entropy, descended, number_of
from benchmarks.steps._protocol import Looped, Trainer


def build(workload: w.Workload) -> Trainer:
    """The trainer of a workload."""
    batch = tuple(map(jnp.asarray, workload.data()))
    if workload.name == "attention":
        return _attention_trainer(batch)
    model = hk.transform_with_state(_MODELS[workload.name])

    def loss_fn(params: Any, state: Any, inputs: Any, labels: Any) -> Any:
        logits, state = model.apply(params, state, None, inputs)
        return cross_entropy(logits, labels), state

    params, state = jax.jit(model.init)(jax.random.key(0), batch[0])
    step, first = adam_step(loss_fn)
    return Looped(step, (params, state, first(params)), batch, number_of(params))


class _Unprojected(hk.MultiHeadAttention):
    """Attention alone, for Haiku has it with its projections only.

    The last projection cannot be left out; it takes a hundredth of the time.
    """

    @hk.transparent
    def _linear_projection(self, x: jax.Array, head_size: int, name: Any = None) -> Any:
        return x.reshape(*x.shape[:-1], self.num_heads, head_size)


def _attention_trainer(batch: tuple[jax.Array, ...]) -> Trainer:
    *_, heads, features = w.ATTENTION

    def attended(*arrays: jax.Array) -> jax.Array:
        query, key, value = (a.reshape(*a.shape[:2], -1) for a in arrays)
        init = hk.initializers.Identity()
        layer = _Unprojected(heads, features, w_init=init)
        return layer(query, key, value, _causal(query.shape[1]))

    model: Any = hk.without_apply_rng(hk.transform(attended))
    params = jax.jit(model.init)(jax.random.key(0), *batch[:3])

    def attention(*arrays: jax.Array) -> jax.Array:
        return model.apply(params, *arrays).reshape(arrays[0].shape)

    return descended(attention, batch)


def _causal(time: int) -> jax.Array:
    return jnp.tril(jnp.ones((1, 1, time, time), bool))


def _mlp(x: jax.Array) -> jax.Array:
    return hk.nets.MLP((w.HIDDEN, w.CLASSES))(x)


def _cnn(x: jax.Array) -> jax.Array:
    for channels in (32, 64):
        x = jax.nn.relu(hk.Conv2D(channels, 3)(x))
        x = hk.max_pool(x, (2, 2, 1), (2, 2, 1), "VALID")
    x = jax.nn.relu(hk.Linear(128)(hk.Flatten()(x)))
    return hk.Linear(w.CLASSES)(x)


def _convolved(x: jax.Array, channels: int, size: int, stride: int = 1) -> jax.Array:
    x = hk.Conv2D(channels, size, stride, with_bias=False)(x)
    return hk.BatchNorm(True, True, 0.9)(x, is_training=True)


def _block(x: jax.Array, channels: int, stride: int) -> jax.Array:
    y = jax.nn.relu(_convolved(x, channels, 3, stride))
    y = _convolved(y, channels, 3)
    return jax.nn.relu(y + (_convolved(x, channels, 1, stride) if stride > 1 else x))


def _resnet(x: jax.Array) -> jax.Array:
    x = jax.nn.relu(_convolved(x, w.RESNET_CHANNELS[0], 3))
    for channels in w.RESNET_CHANNELS:
        x = _block(x, channels, channels // x.shape[-1])
        x = _block(x, channels, 1)
    return hk.Linear(w.CLASSES)(x.mean((1, 2)))


def _norm(x: jax.Array) -> jax.Array:
    return hk.LayerNorm(-1, True, True)(x)


def _gpt(tokens: jax.Array) -> jax.Array:
    draw = hk.initializers.RandomNormal(w.EMBEDDING_DEVIATION)
    x = hk.Embed(w.VOCABULARY, w.WIDTH, w_init=draw)(tokens)
    x = x + hk.Embed(w.LENGTH, w.WIDTH, w_init=draw)(jnp.arange(tokens.shape[1]))
    init = hk.initializers.VarianceScaling()
    for _ in range(w.DEPTH):
        attention = hk.MultiHeadAttention(w.HEADS, w.WIDTH // w.HEADS, w_init=init)
        h = _norm(x)
        x = x + attention(h, h, h, mask=_causal(tokens.shape[1]))
        x = x + hk.nets.MLP((4 * w.WIDTH, w.WIDTH), activation=jax.nn.gelu)(_norm(x))
    return hk.Linear(w.VOCABULARY)(_norm(x))


def _lstm(x: jax.Array) -> jax.Array:
    core = hk.LSTM(w.FEATURES)
    _, last = hk.dynamic_unroll(
        core, x, core.initial_state(x.shape[0]), time_major=False
    )
    return hk.Linear(w.CLASSES)(last.hidden)


_MODELS = {"mlp": _mlp, "cnn": _cnn, "resnet": _resnet, "gpt": _gpt, "lstm": _lstm}
