"""funcnn's own ops and layers in whole programs."""

import jax
import jax.numpy as jnp

import funcnn as fn

from .example import Example, array, integers, normal

MODEL = fn.Chain(
    fn.Conv(3, (3, 3)),
    fn.BatchNorm(),
    fn.relu,
    fn.MaxPool((2, 2)),
    fn.Flatten(),
    fn.Dropout(0.25),
    fn.Dense(4),
)
IMAGES = normal(180, 2, 6, 5, 1)
LABELS = integers(0, 3)


def network_loss(seed, images, labels):
    key = jax.random.fold_in(jax.random.key(0), seed)
    params, state = MODEL.init(key, images)
    logits, _ = MODEL.apply(params, state, images, key=key, train=True)
    return fn.softmax_cross_entropy(logits, labels).mean()


def pooled(x):
    return fn.ops.max_pool(fn.ops.relu(x), (2, 2)), fn.ops.avg_pool(x, (2, 2))


def tiny_language_model(table, scale, ids):
    x = fn.ops.embedding(table, ids)
    x = fn.ops.layer_norm(x, scale, jnp.zeros_like(scale))
    return fn.ops.log_softmax(fn.ops.gelu(x) @ table.T)


def activations(x):
    ops = fn.ops
    smooth = ops.sigmoid, ops.tanh, ops.softplus, ops.log_sigmoid, ops.silu
    return [f(x) for f in (*smooth, ops.gelu, ops.relu, ops.leaky_relu)]


EXAMPLES = (
    Example(
        "convolutional net",
        network_loss,
        (jnp.int32(1), IMAGES, LABELS),
        "seven rules; the parameters come from a key inside, and from an integer",
    ),
    Example(
        "max pooling of rectified zeros",
        pooled,
        (normal(181, 1, 4, 4, 2, shift=-9),),
        "every window is a tie of zeros",
    ),
    Example(
        "embedding to logits",
        tiny_language_model,
        (normal(182, 5, 3), array(1.0, 0.0, -2.0), integers([4, 4, 0])),
        "the table is read and multiplied by, and a scale is zero",
    ),
    Example(
        "every activation",
        activations,
        (array(-90.0, -1.0, 0.0, -0.0, 3.0, 90.0),),
        "saturated and on the kinks",
    ),
    Example(
        "activations in float16",
        activations,
        (array(-9.0, -1.0, 0.0, 3.0, 9.0, dtype=jnp.float16),),
        "computed in float32, rounded once",
    ),
    Example(
        "losses at certain labels",
        lambda x, y: (
            fn.ops.sigmoid_cross_entropy(x, y),
            fn.ops.squared_error(x, y),
            fn.ops.softmax_cross_entropy(x, jax.nn.softmax(y)),
        ),
        (normal(183, 2, 3, shift=8), array([0.0, 1.0, 0.0], [1.0, 0.0, 0.0])),
        "labels are floats with gradients of their own",
    ),
    Example(
        "dropout op",
        lambda x, key: fn.ops.dropout(x, key, 0.5),
        (normal(184, 3, 3), jax.random.key(2)),
        "a key and a static rate",
    ),
)
