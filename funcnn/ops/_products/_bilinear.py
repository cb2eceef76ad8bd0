"""The bilinear map x1 W x2 + b: products of every entry with every other."""

import math

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import check_bias, floats_or_none, wide
from funcnn.ops._products._affine import bias_cotangent, presence
from funcnn.rules import rule


def bilinear(
    x1: jax.Array, x2: jax.Array, kernel: jax.Array, bias: jax.Array | None = None
) -> jax.Array:
    """x1^T kernel[k] x2 + bias[k] for each output k, over the last axes.

    Shapes: x1 (..., n), x2 (..., p), kernel (m, n, p), bias (m,) -> (..., m): the
            shapes of `torch.nn.Bilinear`, whose `weight` is the kernel.
    Dtypes: the arguments' common float dtype; products and sums in float32 or wider.
    Units:  those of kernel times x1 times x2.
    Errors: ShapeError unless the shapes fit; TypeError unless all are floats.

    Gradient. With y_ik = sum_ab x1_ia W_kab x2_ib + b_k over the flattened leading
    axes i, and g = dL/dy,
        dx1_ia = sum_kb (g_ik x2_ib) W_kab,
        dx2_ib = sum_k g_ik (sum_a x1_ia W_kab),
        dW_kab = sum_i  x1_ia (g_ik x2_ib),     db_k = sum_i g_ik:
    products of matrices, with the outer products (g_ik x2_ib) as rows; the sums over
    a are those that give y, which XLA makes once where both passes are one program.
    Saved: x1, x2 and kernel; nothing of the size of the outer products.
    Kinks: none.
    Source: Tenenbaum & Freeman (2000), Neural Computation 12.
    """
    given = {"x1": x1, "x2": x2, "kernel": kernel, "bias": bias}
    x1, x2, kernel, bias = floats_or_none("bilinear", ["bias"], **given)
    _check_shapes(x1, x2, kernel, bias)
    return _bilinear(x1, x2, kernel, bias)


def _check_shapes(x1, x2, kernel, bias):
    if kernel.ndim != 3:
        raise ShapeError(
            f"bilinear: kernel must have shape (m, n, p), got {kernel.shape}"
        )
    m, n, p = kernel.shape
    fit = x1.ndim and x2.ndim and (x1.shape[-1], x2.shape[-1]) == (n, p)
    if not fit or x1.shape[:-1] != x2.shape[:-1]:
        raise ShapeError(
            f"bilinear: kernel {kernel.shape} needs x1 of shape (..., {n}) and x2 of "
            f"shape (..., {p}), got {x1.shape} and {x2.shape}"
        )
    check_bias("bilinear", bias, (m,), f"kernel {kernel.shape}")


def _reference(x1, x2, kernel, bias):
    y = jnp.einsum("...a,kab,...b->...k", x1, kernel, x2)
    return y if bias is None else y + bias


def _rows(x):
    """`x` with its leading axes flattened."""
    return wide(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _outer(a, b):
    """Of each row of a and of b all products of two entries."""
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), a.shape[1] * b.shape[1])


def _left(x1, kernel):
    """The sums over a of x1_ia W_kab, and W with a first and the others as one axis."""
    m, n, p = kernel.shape
    w, rows = wide(kernel).transpose(1, 0, 2).reshape(n, m * p), _rows(x1)
    return (rows @ w).reshape(len(rows), m, p), w


def _forward(x1, x2, kernel, bias):
    m = len(kernel)
    y = jnp.einsum("ikb,ib->ik", _left(x1, kernel)[0], _rows(x2))
    y = y if bias is None else y + wide(bias)
    y = y.reshape(*x1.shape[:-1], m).astype(x1.dtype)
    return y, (x1, x2, kernel, presence(bias))


def _backward(saved, g):
    x1, x2, kernel, bias = saved
    m, n, p = kernel.shape
    g, (left, w) = _rows(g), _left(x1, kernel)
    dleft = _outer(g, _rows(x2))
    dx1 = dleft @ w.T
    dx2 = jnp.einsum("ikb,ik->ib", left, g)
    dkernel = (_rows(x1).T @ dleft).reshape(n, m, p).transpose(1, 0, 2)
    dbias = bias_cotangent(bias, g)
    return dx1.reshape(x1.shape), dx2.reshape(x2.shape), dkernel, dbias


def _cases(normal):
    yield normal(2), normal(3), normal(2, 2, 3), normal(2)
    yield normal(3, 2), normal(3, 3), normal(2, 2, 3), None
    yield normal(2, 3, 1), normal(2, 3, 2), normal(3, 1, 2), normal(3)
    yield normal(3, 2), normal(3, 1), normal(1, 2, 1), normal(1)
    yield normal(0, 2), normal(0, 3), normal(2, 2, 3), normal(2)


_bilinear = rule(_reference, _forward, _backward, cases=_cases)
