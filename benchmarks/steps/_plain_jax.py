"""The workloads by hand in jax.numpy and jax.lax, with `jax.grad` and Optax."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import initializers

from benchmarks.steps import _workloads as w
from benchmarks.steps._jax import adam_step, cross_entropy, descended, number_of
from benchmarks.steps._protocol import Looped, Trainer

Draw = Callable[..., jax.Array]  # a new kernel of that shape
Params = Any

_EPS = 1e-5
_MOMENTUM = 0.9


def build(workload: w.Workload) -> Trainer:
    """The trainer of a workload."""
    batch = tuple(map(jnp.asarray, workload.data()))
    if workload.name == "attention":
        return descended(attention, batch)
    init, apply = _MODELS[workload.name]

    def loss_fn(params: Params, state: Any, inputs: Any, labels: Any) -> Any:
        logits, state = apply(params, state, inputs)
        return cross_entropy(logits, labels), state

    params, state = init(_drawing(jax.random.key(0)))
    step, first = adam_step(loss_fn)
    return Looped(step, (params, state, first(params)), batch, number_of(params))


def _drawing(key: jax.Array) -> Draw:
    numbers = itertools.count()

    def draw(*shape: int) -> jax.Array:
        own = jax.random.fold_in(key, next(numbers))
        return initializers.lecun_normal()(own, shape)

    return draw


def _dense_init(draw: Draw, inputs: int, outputs: int) -> Params:
    return {"kernel": draw(inputs, outputs), "bias": jnp.zeros(outputs)}


def _dense(params: Params, x: jax.Array) -> jax.Array:
    return x @ params["kernel"] + params["bias"]


def _conv(kernel: jax.Array, x: jax.Array, stride: int = 1) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _max_pool(x: jax.Array) -> jax.Array:
    window = (1, 2, 2, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


def _mlp_init(draw: Draw) -> tuple[Params, Any]:
    hidden = _dense_init(draw, w.PIXELS, w.HIDDEN)
    return {"hidden": hidden, "out": _dense_init(draw, w.HIDDEN, w.CLASSES)}, ()


def _mlp(params: Params, state: Any, x: jax.Array) -> tuple[jax.Array, Any]:
    return _dense(params["out"], jax.nn.relu(_dense(params["hidden"], x))), state


def _cnn_init(draw: Draw) -> tuple[Params, Any]:
    return {
        "conv1": {"kernel": draw(3, 3, 1, 32), "bias": jnp.zeros(32)},
        "conv2": {"kernel": draw(3, 3, 32, 64), "bias": jnp.zeros(64)},
        "hidden": _dense_init(draw, 49 * 64, 128),
        "out": _dense_init(draw, 128, w.CLASSES),
    }, ()


def _cnn(params: Params, state: Any, x: jax.Array) -> tuple[jax.Array, Any]:
    for name in ("conv1", "conv2"):
        layer = params[name]
        x = _max_pool(jax.nn.relu(_conv(layer["kernel"], x) + layer["bias"]))
    x = jax.nn.relu(_dense(params["hidden"], x.reshape(x.shape[0], -1)))
    return _dense(params["out"], x), state


def _norm_init(*shape: int) -> Params:
    return {"scale": jnp.ones(shape), "bias": jnp.zeros(shape)}


def _scaled(params: Params, x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) * lax.rsqrt(var + _EPS) * params["scale"] + params["bias"]


def _convolved_init(draw: Draw, size: int, inputs: int, outputs: int) -> Any:
    params = {"kernel": draw(size, size, inputs, outputs), "norm": _norm_init(outputs)}
    return params, {"mean": jnp.zeros(outputs), "var": jnp.ones(outputs)}


def _convolved(params: Params, state: Any, x: jax.Array, stride: int = 1) -> Any:
    """A convolution and batch norm, whose running statistics are the state."""
    x = _conv(params["kernel"], x, stride)
    axes = (0, 1, 2)
    seen = {"mean": x.mean(axes), "var": x.var(axes)}
    state = jax.tree.map(lambda a, b: _MOMENTUM * a + (1 - _MOMENTUM) * b, state, seen)
    return _scaled(params["norm"], x, axes), state


def _plan() -> list[tuple[int, int, int]]:
    """From and to channels, and the stride, of each block."""
    plan, inputs = [], w.RESNET_CHANNELS[0]
    for channels in w.RESNET_CHANNELS:
        plan += [(inputs, channels, channels // inputs), (channels, channels, 1)]
        inputs = channels
    return plan


def _resnet_init(draw: Draw) -> tuple[Params, Any]:
    parts = {"stem": _convolved_init(draw, 3, 3, w.RESNET_CHANNELS[0])}
    for number, (inputs, channels, stride) in enumerate(_plan()):
        parts[f"{number}a"] = _convolved_init(draw, 3, inputs, channels)
        parts[f"{number}b"] = _convolved_init(draw, 3, channels, channels)
        if stride > 1:
            parts[f"{number}c"] = _convolved_init(draw, 1, inputs, channels)
    params = {name: part[0] for name, part in parts.items()}
    params["out"] = _dense_init(draw, w.RESNET_CHANNELS[-1], w.CLASSES)
    return params, {name: part[1] for name, part in parts.items()}


def _resnet(params: Params, state: Any, x: jax.Array) -> tuple[jax.Array, Any]:
    new = {}

    def part(name: str, x: jax.Array, stride: int = 1) -> jax.Array:
        y, new[name] = _convolved(params[name], state[name], x, stride)
        return y

    x = jax.nn.relu(part("stem", x))
    for number, (_, _, stride) in enumerate(_plan()):
        y = part(f"{number}b", jax.nn.relu(part(f"{number}a", x, stride)))
        x = jax.nn.relu(y + (part(f"{number}c", x, stride) if stride > 1 else x))
    return _dense(params["out"], x.mean((1, 2))), new


def attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Causal attention, (batch, time, heads, features), all weights at once."""
    time = query.shape[1]
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5
    seen = jnp.tril(jnp.ones((time, time), bool))
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value)


def _table(draw: Draw, rows: int) -> jax.Array:
    return w.EMBEDDING_DEVIATION * rows**0.5 * draw(rows, w.WIDTH)


def _gpt_init(draw: Draw) -> tuple[Params, Any]:
    def block() -> Params:
        names = ("query", "key", "value", "out")
        return {
            **{name: _dense_init(draw, w.WIDTH, w.WIDTH) for name in names},
            "up": _dense_init(draw, w.WIDTH, 4 * w.WIDTH),
            "down": _dense_init(draw, 4 * w.WIDTH, w.WIDTH),
            "norm1": _norm_init(w.WIDTH),
            "norm2": _norm_init(w.WIDTH),
        }

    return {
        "tokens": _table(draw, w.VOCABULARY),
        "positions": _table(draw, w.LENGTH),
        "blocks": [block() for _ in range(w.DEPTH)],
        "norm": _norm_init(w.WIDTH),
        "logits": _dense_init(draw, w.WIDTH, w.VOCABULARY),
    }, ()


def _gpt(params: Params, state: Any, tokens: jax.Array) -> tuple[jax.Array, Any]:
    x = params["tokens"][tokens] + params["positions"]
    for block in params["blocks"]:
        h = _scaled(block["norm1"], x, (-1,))
        by_head = (*h.shape[:-1], w.HEADS, w.WIDTH // w.HEADS)
        names = ("query", "key", "value")
        heads = [_dense(block[name], h).reshape(by_head) for name in names]
        x = x + _dense(block["out"], attention(*heads).reshape(x.shape))
        h = jax.nn.gelu(_dense(block["up"], _scaled(block["norm2"], x, (-1,))))
        x = x + _dense(block["down"], h)
    return _dense(params["logits"], _scaled(params["norm"], x, (-1,))), state


def _lstm_init(draw: Draw) -> tuple[Params, Any]:
    return {
        "inputs": _dense_init(draw, w.INPUTS, 4 * w.FEATURES),
        "recurrent": draw(w.FEATURES, 4 * w.FEATURES),
        "out": _dense_init(draw, w.FEATURES, w.CLASSES),
    }, ()


def _lstm(params: Params, state: Any, x: jax.Array) -> tuple[jax.Array, Any]:
    def step(carry: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[Any, None]:
        h, c = carry
        gates = _dense(params["inputs"], x) + h @ params["recurrent"]
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((x.shape[0], w.FEATURES))
    (h, _), _ = lax.scan(step, (zeros, zeros), x.swapaxes(0, 1))
    return _dense(params["out"], h), state


_MODELS: dict[str, Any] = {
    "mlp": (_mlp_init, _mlp),
    "cnn": (_cnn_init, _cnn),
    "resnet": (_resnet_init, _resnet),
    "gpt": (_gpt_init, _gpt),
    "lstm": (_lstm_init, _lstm),
}
