"""Contrastive loss of pairs, with the rest of the batch as negatives."""

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._losses._class_numbers import (
    Options,
    reference,
    row_cotangents,
    row_losses,
)
from funcnn.ops._losses._norms import direction, direction_cotangent
from funcnn.ops._losses._pairs import one_shape
from funcnn.ops._products._affine import product
from funcnn.rules import rule


def info_nce(
    queries: jax.Array,
    keys: jax.Array,
    *,
    temperature: float | jax.Array = 0.07,
    symmetric: bool = False,
) -> jax.Array:
    """Cross-entropy of finding, among all keys of the batch, the query's own.

    With the cosines C_ij of query i and key j and S = C / temperature, query i costs
    L_i = log sum_j exp(S_ij) - S_ii. With `symmetric` it is the mean of this and of
    the same with queries and keys exchanged, log sum_j exp(S_ji) - S_ii, as in CLIP.

    Shapes: two arrays (n, d), the pairs in their rows; temperature () -> (n,).
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  nats. The temperature has none, is positive and may be trained.
    Errors: ShapeError unless the shapes fit.

    Gradient. With P_ij = exp(S_ij) / sum_k exp(S_ik), Q_ij = exp(S_ij) / sum_k
    exp(S_kj), I the unit matrix and G = diag(g),
        dS = G (P - I),    symmetric dS = (G (P - I) + (Q - I) G) / 2.
    With the directions x^ of queries and y^ of keys, S = x^ y^T / T and
        dx^ = dS y^ / T,    dy^ = dS^T x^ / T,    dT = -sum_ij dS_ij S_ij / T,
    and from a direction to its vector dx = (dx^ - <dx^, x^> x^) / |x|.
    Saved: queries, keys, temperature, and one number for each row (and column) of S,
    which is computed again.
    Kinks: a vector of zeros has the cosine 0 with all others, and slope 0.
    Source: van den Oord, Li & Vinyals (2018), arXiv:1807.03748; Radford et al. (2021),
    arXiv:2103.00020. `optax.losses.ntxent` has one array and groups of positives.
    """
    queries, keys = one_shape("info_nce", queries=queries, keys=keys)
    dtype = queries.dtype
    (temperature,) = floats("info_nce", temperature=jnp.asarray(temperature, dtype))
    if queries.ndim != 2 or temperature.ndim:
        raise ShapeError(
            "info_nce: needs queries and keys (n, d) and one temperature, got "
            f"{queries.shape}, {keys.shape} and {temperature.shape}"
        )
    if not len(queries):
        return jnp.zeros(0, dtype)
    return _info_nce(queries, keys, temperature, bool(symmetric))


def _direction_reference(x):
    square = (x * x).sum(-1, keepdims=True)
    return jnp.where(square > 0, x / jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def _reference(queries, keys, temperature, symmetric):
    s = _direction_reference(queries) @ _direction_reference(keys).T / temperature
    own = jnp.arange(len(s))
    loss = reference(s, own, Options())
    return (loss + reference(s.T, own, Options())) / 2 if symmetric else loss


def _similarities(x, y, temperature):
    return product(x, y.T) / temperature


def _forward(queries, keys, temperature, symmetric):
    x, y = (direction(wide(v))[0] for v in (queries, keys))
    s, own = _similarities(x, y, wide(temperature)), jnp.arange(len(x))
    loss, by_row = row_losses(s, own, Options())
    by_column = None
    if symmetric:
        back, by_column = row_losses(s.T, own, Options())
        loss = (loss + back) / 2
    saved = queries, keys, temperature, by_row, by_column
    return loss.astype(queries.dtype), saved


def _backward(symmetric, saved, g):
    queries, keys, temperature, by_row, by_column = saved
    of_x, of_y = (direction(wide(v)) for v in (queries, keys))
    (x, y), t, g = (of_x[0], of_y[0]), wide(temperature), wide(g)
    s = _similarities(x, y, t)
    ds, contracted = _row_cotangents(s, by_row, g)
    if symmetric:
        back, contracted_back = _row_cotangents(s.T, by_column, g)
        ds, contracted = (ds + back.T) / 2, (contracted + contracted_back) / 2
    dx = direction_cotangent(*of_x, product(ds, y) / t)
    dy = direction_cotangent(*of_y, product(ds.T, x) / t)
    return dx, dy, -contracted / t


def _row_cotangents(s, rest, g):
    """DS, and sum_ij dS_ij S_ij: rows of dS sum to 0, so S_ii may be subtracted."""
    ds = row_cotangents(s, jnp.arange(len(s)), rest, g, Options())
    return ds, (ds * (s - jnp.diagonal(s)[:, None])).sum()


def _cases(normal):
    for n, d, symmetric in [(4, 3, False), (3, 2, True), (1, 3, True)]:
        yield normal(n, d), normal(n, d), jnp.array(0.5), symmetric
    x = normal(3, 4)
    yield x, x, jnp.array(0.125), False  # the right answers
    yield x, -x, jnp.array(1.0), True


_info_nce = rule(_reference, _forward, _backward, static="symmetric", cases=_cases)
