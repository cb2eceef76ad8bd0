"""Cross-entropy of a linear classifier, without the logits of a whole batch."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats, wide
from funcnn.ops._losses._class_numbers import (
    Options,
    check_class_numbers,
    options,
    reference,
    row_cotangents,
    row_losses,
)
from funcnn.ops._products._affine import check_product, product, product_cotangents
from funcnn.rules import rule


def linear_cross_entropy(
    x: jax.Array,
    kernel: jax.Array,
    labels: jax.Array,
    *,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    ignored_index: int | None = None,
    chunk: int = 256,
) -> jax.Array:
    """`softmax_cross_entropy` of the logits x @ kernel: one value per example.

    The options are explained there. The examples are taken in chunks of about `chunk`,
    so that never more than `chunk` rows of logits exist: with many classes (a
    vocabulary) the logits of a batch are by far the largest array of a net.

    Shapes: x (..., n), kernel (n, m), integer labels (...) -> (...).
    Dtypes: the common float dtype of x and kernel; the logits, and all that is
            computed of them, in float32 or wider.
    Units:  nats.
    Errors: ShapeError unless the shapes fit; ValueError for options that are not
            understood. A label that is no class gives NaN, as in
            `softmax_cross_entropy`.

    Gradient. With logits Y = x W and D = dL/dY, the cotangent that
    `softmax_cross_entropy` derives, row by row
        dx = D W^T,    dW = x^T D,
    the latter summed over the chunks.
    Saved: x, kernel, labels and one number for each example. The logits are computed
    again in the backward pass: four products for three, and no array of m columns
    that is longer than a chunk. (The gradient cannot be made in the forward pass:
    it needs the cotangent of each example.)
    Kinks: none.
    Source: Wijmans et al. (2024), "Cut your losses in large-vocabulary language
    models", arXiv:2411.09009.
    """
    op = "linear_cross_entropy"
    x, kernel = floats(op, x=x, kernel=kernel)
    labels = jnp.asarray(labels)
    check_product(op, x, kernel)
    check_class_numbers(op, x.shape[:-1], labels, f"x {x.shape}")
    if int(chunk) < 1:
        raise ValueError(f"{op}: chunk must be a positive whole number, got {chunk}")
    chosen = options(op, label_smoothing, z_loss, ignored_index)
    if not labels.size:
        return jnp.zeros(labels.shape, x.dtype)
    return _linear_cross_entropy(x, kernel, labels, chosen, int(chunk))


def _reference(x, kernel, labels, options, chunk):
    del chunk
    return reference(x @ kernel, labels, options)


def _forward(x, kernel, labels, options, chunk):
    def of_chunk(carry, rows, labels):
        return carry, row_losses(product(rows, kernel), labels, options)

    rows, flat = x.reshape(-1, x.shape[-1]), labels.reshape(-1)
    _, (losses, rest) = _by_chunks(of_chunk, chunk, (), rows, flat)
    return losses.reshape(labels.shape).astype(x.dtype), (x, kernel, labels, rest)


def _backward(options, chunk, saved, g):
    x, kernel, labels, rest = saved

    def of_chunk(dkernel, rows, labels, rest, g):
        logits = product(rows, kernel)
        dlogits = row_cotangents(logits, labels, rest, g, options)
        drows, share = product_cotangents(rows, kernel, dlogits.astype(x.dtype))
        return dkernel + share, drows.astype(x.dtype)

    flat = x.reshape(-1, x.shape[-1]), labels.reshape(-1), rest, wide(g).reshape(-1)
    nothing = jnp.zeros_like(wide(kernel))
    dkernel, drows = _by_chunks(of_chunk, chunk, nothing, *flat)
    return drows.reshape(x.shape), dkernel, None


def _by_chunks(function, chunk, carry, *arrays):
    """`lax.scan` of `function(carry, *slices)` over chunks of about equal length.

    The arrays are filled up with zeros, fewer than there are chunks.
    """
    rows = arrays[0].shape[0]
    chunks = math.ceil(rows / chunk)
    if chunks == 1:
        return function(carry, *arrays)
    length = math.ceil(rows / chunks)

    def split(array):
        fill = [(0, chunks * length - rows), *[(0, 0)] * (array.ndim - 1)]
        return jnp.pad(array, fill).reshape(chunks, length, *array.shape[1:])

    def joined(array):
        return array.reshape(-1, *array.shape[2:])[:rows]

    slices = tuple(map(split, arrays))
    carry, results = lax.scan(lambda c, s: function(c, *s), carry, slices)
    return carry, jax.tree.map(joined, results)


def _cases(normal):
    yield normal(3), normal(3, 4), jnp.array(2), Options(), 2
    yield normal(5, 3), normal(3, 4), jnp.array([0, 3, 2, 1, 2]), Options(), 2
    labels = jnp.array([[0, 4, 1], [2, -1, 3]])
    yield normal(2, 3, 2), normal(2, 5), labels, Options(0.25, 0.125, -1), 4
    yield normal(3, 2), normal(2, 1), jnp.zeros(3, jnp.int32), Options(z_loss=0.25), 1
    yield 30 * normal(4, 2), 20 * normal(2, 3), jnp.array([0, 1, 2, 0]), Options(), 8


_linear_cross_entropy = rule(
    _reference, _forward, _backward, static=["options", "chunk"], cases=_cases
)
