"""Cross-entropy of a linear classifier, without the logits of a whole batch."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import scan
from funcnn.ops._arguments import floats, wide
from funcnn.ops._losses._class_numbers import (
    Options,
    block_cotangents,
    check_class_numbers,
    options,
    reference,
    row_ends,
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
    Block by block of the logits: of all examples and some classes where there are
    more classes than examples, so that it is dx that is summed over the blocks, else
    of a chunk of examples and all classes, with dW the sum.
    Saved: x, kernel, labels and three numbers for each example: the largest logit,
    that of its class, and E - 1, where E is the sum of exp(logit - largest). The
    logits are computed again in the backward pass: four products for three, and never
    more of them than a chunk has. (The gradient cannot be made in the forward pass:
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
        logits = product(rows, kernel)
        losses, rest = row_losses(logits, labels, options)
        return carry, (losses, (*row_ends(logits, labels, options), rest))

    rows, flat = x.reshape(-1, x.shape[-1]), labels.reshape(-1)
    _, (losses, numbers) = _by_chunks(of_chunk, chunk, (), rows, flat)
    return losses.reshape(labels.shape).astype(x.dtype), (x, kernel, labels, numbers)


def _backward(options, chunk, saved, g):
    x, kernel, labels, numbers = saved
    classes = kernel.shape[1]

    def cotangents(rows, columns, labels, numbers, g, first=0):
        logits = product(rows, columns)
        dlogits = block_cotangents(logits, labels, numbers, g, options, classes, first)
        return product_cotangents(rows, columns, dlogits.astype(x.dtype))

    def of_chunk(dkernel, rows, labels, top, own, rest, g):
        drows, share = cotangents(rows, kernel, labels, (top, own, rest), g)
        return dkernel + share, drows.astype(x.dtype)

    def of_block(dx, columns, first):
        share, dcolumns = cotangents(rows, columns, of_rows, numbers, g, first)
        return dx + share, dcolumns

    rows, g = x.reshape(-1, x.shape[-1]), wide(g).reshape(-1)
    of_rows = labels.reshape(-1)
    chunks = math.ceil(len(rows) / chunk)
    if chunks > 1 and len(rows) <= classes:
        dx, dkernel = _by_blocks(of_block, chunks, jnp.zeros_like(wide(rows)), kernel)
    else:
        nothing = jnp.zeros_like(wide(kernel))
        flat = rows, of_rows, *numbers, g
        dkernel, dx = _by_chunks(of_chunk, chunk, nothing, *flat)
    return dx.reshape(x.shape), dkernel, None


def _by_blocks(function, blocks, carry, kernel):
    """`lax.scan` of `function(carry, columns, first)` over blocks of columns.

    All blocks but the last have equal width. What a block gives has its shape, and is
    put together in that of the kernel.
    """
    columns = kernel.shape[1]
    width = math.ceil(columns / blocks)

    def step(carry, first, width=width):
        carry, results = carry
        block = lax.dynamic_slice_in_dim(kernel, first, width, 1)
        carry, result = function(carry, block, first)
        return (carry, lax.dynamic_update_slice_in_dim(results, result, first, 1)), None

    whole = columns - columns % width
    carry = carry, jnp.zeros_like(wide(kernel))
    carry, _ = scan(step, carry, jnp.arange(0, whole, width))
    return carry if whole == columns else step(carry, whole, columns - whole)[0]


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
    carry, results = scan(lambda c, s: function(c, *s), carry, slices)
    return carry, jax.tree.map(joined, results)


def _cases(normal):
    yield normal(3), normal(3, 4), jnp.array(2), Options(), 2
    yield normal(5, 3), normal(3, 4), jnp.array([0, 3, 2, 1, 2]), Options(), 2
    labels = jnp.array([[0, 4, 1], [2, -1, 3]])
    yield normal(2, 3, 2), normal(2, 5), labels, Options(0.25, 0.125, -1), 4
    labels = jnp.array([6, 0, 3], jnp.uint8)
    yield normal(3, 2), normal(2, 7), labels, Options(0.25, 0.125, 3), 2
    yield normal(3, 2), normal(2, 4), labels // 2, Options(), 1
    yield normal(3, 2), normal(2, 1), jnp.zeros(3, jnp.int32), Options(z_loss=0.25), 1
    yield 30 * normal(4, 2), 20 * normal(2, 3), jnp.array([0, 1, 2, 0]), Options(), 8


_linear_cross_entropy = rule(
    _reference, _forward, _backward, static=["options", "chunk"], cases=_cases
)
