"""The tied unembedding: each row of a table is compared with x."""

import jax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats
from funcnn.ops._products._affine import product, product_cotangents
from funcnn.rules import rule


def unembed(x: jax.Array, table: jax.Array) -> jax.Array:
    """X @ table.T: the logits of the rows of the table that `embedding` takes.

    Shapes: x (..., d), table (n, d) -> (..., n).
    Dtypes: the arguments' common float dtype; sums in float32 or wider.
    Errors: ShapeError unless the shapes fit; TypeError unless both are floats.

    Gradient. y_ij = sum_k x_ik T_jk over the flattened leading axes i, so with
    g = dL/dy
        dx_ik = sum_j g_ij T_jk, that is  dx = g T,
        dT_jk = sum_i g_ij x_ik, that is  dT = g^T x.
    A table that is tied has the cotangent of its embedding too; JAX adds them.
    Saved: x and the table as it is, where `affine` of `table.T` keeps a copy of it.
    Kinks: none.
    Source: Press & Wolf (2016), arXiv:1608.05859; Flax calls it `Embed.attend`.
    """
    x, table = floats("unembed", x=x, table=table)
    if table.ndim != 2:
        raise ShapeError(f"unembed: table must have shape (n, d), got {table.shape}")
    if x.ndim < 1 or x.shape[-1] != table.shape[1]:
        raise ShapeError(
            f"unembed: table {table.shape} needs x of shape (..., {table.shape[1]}), "
            f"got {x.shape}"
        )
    return _unembed(x, table)


def _reference(x, table):
    return x @ table.T


def _forward(x, table):
    return product(x, table.T).astype(x.dtype), (x, table)


def _backward(saved, g):
    x, table = saved
    dx, dtransposed = product_cotangents(x, table.T, g)
    return dx, dtransposed.T


def _cases(normal):
    yield normal(3), normal(1, 3)
    yield normal(2, 3, 5), normal(4, 5)
    yield normal(2, 3), normal(3, 3)
    yield normal(4, 1), normal(2, 1)
    yield normal(0, 3), normal(2, 3)


_unembed = rule(_reference, _forward, _backward, cases=_cases)
