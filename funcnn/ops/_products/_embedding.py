"""Rows of a table, chosen by integer ids."""

import jax
import jax.numpy as jnp

from funcnn.errors import DtypeError, ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def embedding(table: jax.Array, ids: jax.Array) -> jax.Array:
    """table[ids].

    Shapes: table (n, d), ids (...) -> (..., d).
    Dtypes: any float table, any integer ids.
    Errors: ShapeError unless the table has two axes; TypeError unless the table is
            of a float and the ids of an integer dtype. Ids below 0 or from n on,
            whose values only the device knows, give rows of NaN and no gradient.

    Gradient. y_ik = sum_j [ids_i = j] T_jk, so dT_jk = sum_i [ids_i = j] g_ik: each
    row of g is added to the row that it came from, repeated ids add up. The ids
    get None.
    Saved: the ids; of the table its shape alone.
    Kinks: none.
    """
    (table,) = floats("embedding", table=table)
    ids = jnp.asarray(ids)
    if table.ndim != 2:
        raise ShapeError(f"embedding: table must have shape (n, d), got {table.shape}")
    if not jnp.issubdtype(ids.dtype, jnp.integer):
        raise DtypeError(f"embedding: ids must be integers, got {ids.dtype}")
    # 8 bits could not hold the number of rows that they are compared with
    signed = jnp.issubdtype(ids.dtype, jnp.signedinteger)
    at_least = jnp.int32 if signed else jnp.uint32
    ids = ids.astype(jnp.promote_types(ids.dtype, at_least))
    return _embedding(table, ids, table.shape[0])


def _reference(table, ids, rows):
    known = (ids >= 0) & (ids < rows)
    return jnp.where(known[..., None], table[jnp.where(known, ids, 0)], jnp.nan)


def _forward(table, ids, rows):
    # Negative ids would count from the end: send them out of range instead.
    beyond = jnp.where(ids < 0, rows, ids)
    return table.at[beyond].get(mode="fill", fill_value=jnp.nan), beyond


def _backward(rows, ids, g):
    table = jnp.zeros((rows, g.shape[-1]), wide(g).dtype)
    return table.at[ids].add(wide(g), mode="drop"), None


def _cases(normal):
    yield normal(5, 3), jnp.array([0, 4, 2, 2]), 5  # repeated
    yield normal(5, 3), jnp.array([[1, 1, 1], [3, 0, 1]], jnp.uint8), 5
    yield normal(1, 3), jnp.array(0), 1
    yield normal(4, 1), jnp.zeros((0,), jnp.int32), 4


_embedding = rule(_reference, _forward, _backward, static="rows", cases=_cases)
