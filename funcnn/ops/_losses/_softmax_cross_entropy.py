"""Cross-entropy of a categorical distribution given by its logits."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, same_shape, wide
from funcnn.rules import rule


def softmax_cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """-sum_k p_k log softmax(logits)_k: one value per example, unreduced.

    `labels` are class numbers (integers; p is then one-hot) or distributions p
    (floats), which need not sum to 1.

    Shapes: logits (..., n) with labels (...) integer or (..., n) float -> (...).
    Dtypes: logits any float; computed in float32 or wider, the loss in that of the
            logits (and of the distributions, whichever is wider).
    Units:  nats.
    Errors: ShapeError unless the shapes fit. A class number below 0 or from n on,
            which only the device knows, gives NaN for its example, and a gradient
            of NaN: never a finite loss that is wrong.

    Gradient. With s = softmax(x), z = log sum_j exp(x_j), L = sum_k p_k (z - x_k) and
    dz/dx_j = s_j, for each example
        dx_j = g (s_j sum_k p_k - p_j),    dp_k = g (z - x_k) = -g log s_k.
    For class numbers p_j = [label = j], whose sum is 1; they get None.
    Saved: logits, labels and z: s is made again.
    Kinks: none. A logit of -inf with p_k = 0 gives NaN for distributions, as 0 times
    an infinity does; for class numbers it is a class that cannot occur.
    Source: Bridle (1990), NIPS 2. Optax has the two as
    `softmax_cross_entropy_with_integer_labels` and `softmax_cross_entropy`.
    """
    (logits,) = floats("softmax_cross_entropy", logits=logits)
    labels = jnp.asarray(labels)
    if logits.ndim < 1:
        raise ShapeError("softmax_cross_entropy: logits must have shape (..., n)")
    if jnp.issubdtype(labels.dtype, jnp.integer):
        _check_class_numbers(logits, labels)
        return _with_class_numbers(logits, labels)
    logits, labels = floats("softmax_cross_entropy", logits=logits, labels=labels)
    same_shape("softmax_cross_entropy", logits=logits, labels=labels)
    return _with_distributions(logits, labels)


def _check_class_numbers(logits, labels):
    if labels.shape != logits.shape[:-1]:
        raise ShapeError(
            f"softmax_cross_entropy: logits {logits.shape} need integer labels "
            f"{logits.shape[:-1]} or distributions {logits.shape}, got {labels.shape}"
        )


def _log_normalizer(logits):
    top = lax.stop_gradient(logits.max(-1, keepdims=True))
    return (top + jnp.log(jnp.exp(logits - top).sum(-1, keepdims=True)))[..., 0]


def _one_hot(labels, logits):
    """[label = j]; rows of NaN for numbers that are not a class."""
    classes = logits.shape[-1]
    known = (labels >= 0) & (labels < classes)
    hot = labels[..., None] == jnp.arange(classes, dtype=labels.dtype)
    return jnp.where(known[..., None], hot, jnp.nan).astype(logits.dtype)


def _class_numbers_reference(logits, labels):
    log_softmax = logits - _log_normalizer(logits)[..., None]
    return -(_one_hot(labels, logits) * log_softmax).sum(-1)


def _class_numbers_forward(logits, labels):
    x = wide(logits)
    z = _log_normalizer(x)
    # A sum and not an index: a select that runs fused, and -inf elsewhere is no NaN.
    # Not `where`, which of an empty batch makes a constant that vmap cannot map.
    hot = _one_hot(labels, x)
    own = lax.select(hot == 0, jnp.zeros_like(x), x * hot).sum(-1)
    return (z - own).astype(logits.dtype), (logits, labels, z)


def _class_numbers_backward(saved, g):
    logits, labels, z = saved
    x = wide(logits)
    softmax = jnp.exp(x - z[..., None])
    return wide(g)[..., None] * (softmax - _one_hot(labels, x)), None


def _class_numbers_cases(normal):
    yield normal(5), jnp.array(2)
    yield normal(4, 3), jnp.array([0, 2, 2, 1])
    yield normal(2, 3, 5), jnp.array([[0, 4, 1], [2, 3, 3]], jnp.uint8)
    yield normal(3, 1), jnp.zeros(3, jnp.int32)
    yield normal(0, 3), jnp.zeros(0, jnp.int32)
    yield jnp.array([[700.0, -700.0, 0.0], [3.0, 3.0, 3.0]]), jnp.array([1, 0])


def _distributions_reference(logits, labels):
    return -(labels * (logits - _log_normalizer(logits)[..., None])).sum(-1)


def _distributions_forward(logits, labels):
    x, p = wide(logits), wide(labels)
    z = _log_normalizer(x)
    loss = (p * (z[..., None] - x)).sum(-1)
    return loss.astype(logits.dtype), (logits, labels, z)


def _distributions_backward(saved, g):
    logits, labels, z = saved
    x, p, g = wide(logits), wide(labels), wide(g)[..., None]
    minus_log_softmax = z[..., None] - x
    softmax = jnp.exp(-minus_log_softmax)
    return g * (softmax * p.sum(-1, keepdims=True) - p), g * minus_log_softmax


def _distributions_cases(normal):
    for shape in [(5,), (4, 3), (2, 3, 5), (3, 1), (0, 3)]:
        yield normal(*shape), jax.nn.softmax(normal(*shape))
    yield normal(3, 4), jnp.eye(4)[:3]  # one-hot
    yield normal(3, 4), jnp.abs(normal(3, 4))  # sums other than 1
    yield jnp.array([[700.0, -700.0, 0.0]]), jnp.array([[0.2, 0.3, 0.5]])


_with_class_numbers = rule(
    _class_numbers_reference,
    _class_numbers_forward,
    _class_numbers_backward,
    cases=_class_numbers_cases,
    name="softmax_cross_entropy",
)
_with_distributions = rule(
    _distributions_reference,
    _distributions_forward,
    _distributions_backward,
    cases=_distributions_cases,
    name="softmax_cross_entropy",
)
