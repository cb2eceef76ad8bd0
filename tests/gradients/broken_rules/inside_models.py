"""One wrong rule inside a model."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .example import Example, normals, reverse_rule
from .inside_programs import affine, tanh

normal = normals(21)


@jax.custom_vjp
def cell(weights, state, x):
    return jnp.tanh(state @ weights["hidden"] + x @ weights["input"])


def _cell_backward(saved, g):
    weights, state, x, y = saved
    d = g * (1 - y**2)
    # the state's path is cut: no gradient through time
    dw = {"hidden": jnp.outer(state, d), "input": jnp.outer(x, d)}
    return dw, jnp.zeros_like(state), d @ weights["input"].T


def _cell_forward(weights, state, x):
    y = cell(weights, state, x)
    return y, (weights, state, x, y)


cell.defvjp(_cell_forward, _cell_backward)


def recurrent(weights, state, xs):
    """The states of a recurrent net."""

    def step(state, x):
        state = cell(weights, state, x)
        return state, state

    return lax.scan(step, state, xs)


def mlp(parameters, x):
    """A net of three layers."""
    *hidden, last = parameters
    for layer in hidden:
        x = jnp.tanh(affine(x, layer["kernel"], layer["bias"]))
    return x @ last["kernel"] + last["bias"]


def stack(layers, x):
    """A net whose layers are one array, in a scan with rematerialization."""

    @jax.checkpoint
    def block(x, kernel):
        return x + tanh(x @ kernel), None

    return lax.scan(block, x, layers)[0]


@jax.custom_vjp
def probabilities(scores):
    return jax.nn.softmax(scores)


probabilities.defvjp(
    lambda s: (jax.nn.softmax(s),) * 2,
    # the row sum is over the queries, not the keys
    lambda p, g: (p * (g - (p * g).sum(-2, keepdims=True)),),
)


def attention(parameters, x):
    """Attention of two heads with a residual connection."""
    q, k, v = (x @ parameters[name] for name in ("q", "k", "v"))
    q, k, v = (y.reshape(y.shape[0], 2, -1).swapaxes(0, 1) for y in (q, k, v))
    p = probabilities(q @ k.mT / np.sqrt(q.shape[-1]))
    return x + (p @ v).swapaxes(0, 1).reshape(x.shape)


def _pool(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


pool = reverse_rule(
    _pool,
    lambda x: (_pool(x), ()),
    # divided by 2, a window has 4
    lambda saved, g: (jnp.repeat(jnp.repeat(g, 2, 1), 2, 2) / 2,),
)


def convolutional(parameters, images):
    """Convolution, ReLU, pooling and a dense layer."""
    x = lax.conv_general_dilated(
        images, parameters["kernel"], (1, 1), "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip
    x = pool(jax.nn.relu(x))
    return x.reshape(x.shape[0], -1) @ parameters["dense"]


def _embed(table, ids):
    return table[ids]


embed = reverse_rule(
    _embed,
    lambda table, ids: (table[ids], (table, ids)),
    lambda saved, g: (jnp.zeros_like(saved[0]).at[saved[1]].set(g), None),
)


def language_model(parameters, tokens):
    """The loss of the next token."""
    h = embed(parameters["table"], tokens[:-1])
    logits = jax.nn.log_softmax(jnp.tanh(h) @ parameters["table"].T)
    return -jnp.take_along_axis(logits, tokens[1:, None], 1).mean()


def layers(*widths):
    """Kernels and biases of an MLP."""
    return [
        {"kernel": normal(n, m) / np.sqrt(n).astype(np.float32), "bias": normal(m)}
        for n, m in itertools.pairwise(widths)
    ]


EXAMPLES = (
    Example(
        "inside_scan",
        recurrent,
        ({"hidden": normal(3, 3), "input": normal(2, 3)}, normal(3), normal(5, 2)),
        "A recurrent cell without the gradient of its state.",
    ),
    Example(
        "inside_an_mlp",
        mlp,
        (layers(3, 4, 4, 2), normal(5, 3)),
        "The biases of an MLP get means.",
    ),
    Example(
        "inside_stacked_layers",
        stack,
        (normal(3, 4, 4, scale=0.5), normal(2, 4)),
        "A slope 0.1 % too large in scanned, rematerialized layers.",
    ),
    Example(
        "inside_attention",
        attention,
        ({name: normal(4, 4) for name in ("q", "k", "v")}, normal(3, 4)),
        "A softmax that sums over queries in its backward pass.",
    ),
    Example(
        "inside_a_convolutional_net",
        convolutional,
        ({"kernel": normal(3, 3, 1, 2), "dense": normal(8, 3)}, normal(2, 4, 4, 1)),
        "An average pooling that divides by 2 for a window of 4.",
    ),
    Example(
        "inside_a_language_model",
        language_model,
        ({"table": normal(6, 3)}, np.array([1, 4, 1, 1, 0, 5], np.int32)),
        "An embedding, shared with the output, that keeps one of repeated tokens.",
    ),
)
