"""Cross-entropy of a categorical distribution given by its logits."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._losses._class_numbers import (
    Options,
    check_class_numbers,
    largest,
    options,
    reference,
    row_cotangents,
    row_losses,
)
from funcnn.ops._losses._pairs import one_shape
from funcnn.rules import rule


def softmax_cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    *,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    ignored_index: int | None = None,
) -> jax.Array:
    """-sum_k p_k log softmax(logits)_k: one value per example, unreduced.

    `labels` are class numbers (integers; p is then one-hot) or distributions p
    (floats), which need not sum to 1. With `label_smoothing` a, p is replaced by
    (1 - a) p + a / n. With `z_loss` c, c z^2 is added, z = log sum_j exp(x_j), which
    keeps the logits' common offset small. An example whose class number is
    `ignored_index` costs nothing, whatever its logits.

    Shapes: logits (..., n) with labels (...) integer or (..., n) float -> (...).
    Dtypes: logits any float; computed in float32 or wider, the loss in that of the
            logits (and of the distributions, whichever is wider).
    Units:  nats.
    Errors: ShapeError unless the shapes fit; ValueError for `label_smoothing` outside
            0 to 1, or `ignored_index` with distributions. A class number below 0 or
            from n on that is not `ignored_index`, which only the device knows, gives
            NaN for its example, and a gradient of NaN: never a finite loss that is
            wrong.

    Gradient. With s = softmax(x), L = sum_k p_k (z - x_k) + c z^2 and dz/dx_j = s_j,
    for each example
        dx_j = g (s_j (sum_k p_k + 2 c z) - p_j),  dp_k = g (1 - a) (z - x_k),
    p smoothed in the first. For class numbers, which get None, p_j is
    [label = j] - a ([label = j] - 1 / n), whose sum is 1; where label = j,
    s_j - 1 = expm1(-(z - x_j)) keeps its digits for sure answers.
    Saved: logits, labels and one number for each example: sum_j exp(x_j - max x), for
    class numbers less 1. s is made again.
    Kinks: none. A class of logit -inf cannot occur: it costs nothing where p_k = 0.
    Source: Bridle (1990), NIPS 2; Szegedy et al. (2016) for smoothing. Optax has the
    two as `softmax_cross_entropy_with_integer_labels` and `softmax_cross_entropy`.
    """
    op = "softmax_cross_entropy"
    (logits,) = floats(op, logits=logits)
    labels = jnp.asarray(labels)
    chosen = options(op, label_smoothing, z_loss, ignored_index)
    if logits.ndim < 1:
        raise ShapeError("softmax_cross_entropy: logits must have shape (..., n)")
    if jnp.issubdtype(labels.dtype, jnp.integer):
        check_class_numbers(op, logits.shape[:-1], labels, f"logits {logits.shape}")
        return _with_class_numbers(logits, labels, chosen)
    if ignored_index is not None:
        raise ValueError(f"{op}: ignored_index needs class numbers, got distributions")
    return _with_distributions(*one_shape(op, logits=logits, labels=labels), chosen)


def _log_normalizer(logits):
    top = lax.stop_gradient(logits.max(-1, keepdims=True))
    return (top + jnp.log(jnp.exp(logits - top).sum(-1, keepdims=True)))[..., 0]


def _smoothed(p, options):
    smoothing = options.label_smoothing
    return (1 - smoothing) * p + smoothing / p.shape[-1] if smoothing else p


def _distributions_reference(logits, labels, options):
    z = _log_normalizer(logits)
    p = _smoothed(labels, options)
    loss = (p * (z[..., None] - logits)).sum(-1)
    return loss + options.z_loss * z**2 if options.z_loss else loss


def _class_numbers_forward(logits, labels, options):
    loss, rest = row_losses(wide(logits), labels, options)
    return loss.astype(logits.dtype), (logits, labels, rest)


def _class_numbers_backward(options, saved, g):
    logits, labels, rest = saved
    return row_cotangents(wide(logits), labels, rest, wide(g), options), None


def _class_numbers_cases(normal):
    yield normal(5), jnp.array(2), Options()
    yield normal(4, 3), jnp.array([0, 2, 2, 1]), Options(ignored_index=2)
    yield normal(2, 3, 5), jnp.array([[0, 4, 1], [2, 3, 3]], jnp.uint8), Options(0.125)
    yield normal(3, 1), jnp.zeros(3, jnp.int32), Options(z_loss=0.25)
    yield normal(0, 3), jnp.zeros(0, jnp.int32), Options(0.125, 0.125, -1)
    x = jnp.array([[700.0, -700.0, 0.0], [3.0, 3.0, 3.0]])
    yield x, jnp.array([1, 0]), Options()
    yield normal(3, 4), jnp.array([3, -1, 1]), Options(0.25, 0.125, -1)


def _finite_top(x):
    """The largest entry, which is not spread over its row before it is used."""
    top = largest(x)
    return jnp.where(jnp.abs(top) < jnp.inf, top, 0)


def _distributions_forward(logits, labels, options):
    x, p = wide(logits), _smoothed(wide(labels), options)
    top = _finite_top(x)
    normalizer = jnp.exp(x - top[..., None]).sum(-1)
    costs = (top[..., None] - x) + jnp.log(normalizer)[..., None]
    possible = (p != 0) | (costs != jnp.inf)
    loss = jnp.where(possible, p * costs, 0).sum(-1)
    if options.z_loss:
        loss += options.z_loss * jnp.square(top + jnp.log(normalizer))
    return loss.astype(logits.dtype), (logits, labels, normalizer)


def _distributions_backward(options, saved, g):
    logits, labels, normalizer = saved
    x, p, g = wide(logits), _smoothed(wide(labels), options), wide(g)[..., None]
    top, normalizer = _finite_top(x)[..., None], normalizer[..., None]
    log_normalizer = jnp.log(normalizer)
    weight = p.sum(-1, keepdims=True)
    if options.z_loss:
        weight += 2 * options.z_loss * (top + log_normalizer)
    dlogits = jnp.exp(x - top) * (g * weight / normalizer) - g * p
    costs = (top - x) + log_normalizer
    return dlogits, g * costs * (1 - options.label_smoothing)


def _distributions_cases(normal):
    yield normal(5), jax.nn.softmax(normal(5)), Options()
    yield normal(2, 2, 3), jax.nn.softmax(normal(2, 2, 3)), Options(0.125, 0.25)
    yield normal(3, 1), jax.nn.softmax(normal(3, 1)), Options(z_loss=0.25)
    yield normal(0, 3), normal(0, 3), Options()
    yield normal(3, 4), jnp.eye(4)[:3], Options(0.25)  # one-hot
    yield normal(3, 4), jnp.abs(normal(3, 4)), Options()  # sums other than 1
    x, p = jnp.array([[700.0, -700.0, 0.0]]), jnp.array([[0.2, 0.3, 0.5]])
    yield x, p, Options()


_with_class_numbers = rule(
    reference,
    _class_numbers_forward,
    _class_numbers_backward,
    static="options",
    cases=_class_numbers_cases,
    name="softmax_cross_entropy",
)
_with_distributions = rule(
    _distributions_reference,
    _distributions_forward,
    _distributions_backward,
    static="options",
    cases=_distributions_cases,
    name="softmax_cross_entropy",
)
