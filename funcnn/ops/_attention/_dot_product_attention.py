"""Attention, in blocks."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import DtypeError, ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._attention._blocks import Blocks, at, band, block_sizes, in_band, put
from funcnn.rules import rule


def dot_product_attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    *,
    causal: bool = False,
    window: int | tuple[int | None, int | None] | None = None,
    mask: jax.Array | None = None,
    bias: jax.Array | None = None,
    scale: float | None = None,
) -> jax.Array:
    """softmax(scale query key^T + bias) value, by head; nothing of t times s is kept.

    Shapes: query (..., t, n, h), key (..., s, k, h), value (..., s, k, v) ->
            (..., t, n, v). The n heads of the query are k groups of n / k, and each
            group shares a head of key and value. bias and mask broadcast to
            (..., n, t, s), as in NumPy.
    Dtypes: the common float dtype of query, key and value; bias of any float dtype;
            computed in float32 or wider. The mask is boolean.
    Options: query i sees key j where all of these hold: j <= i if `causal`;
            i - left <= j <= i + right if `window` is (left, right), one number
            standing for both and None for no bound; `mask`, which is True for what is
            seen. Positions count from the first query and the first key, also where
            t is not s. `scale` is a number, by default h^(-1/2); one that is learned
            multiplies the query instead.
    Errors: ShapeError and DtypeError for what does not fit; ValueError for a window
            that is not understood.

    Gradient. Of one head let S = scale q k^T + bias, -inf for what is not seen, m_i
    the largest S_ij, E_ij = exp(S_ij - m_i), z_i = sum_j E_ij, P = E / z and o = P v.
    With g = dL/do,
        dv = P^T g,   dP = g v^T,
    and as dP_ij/dS_ik = P_ij (delta_jk - P_ik),
        dS_ik = P_ik (dP_ik - sum_j P_ij dP_ij).
    As P sums to 1, a number c_i may be taken from dP_i. It is dP of the key with the
    largest score, so that nothing cancels where P is nearly 1 for that key:
        dS_ik = P_ik (dP_ik - c_i - w_i / z_i),   w_i = sum_j E_ij (dP_ij - c_i),
        dq = scale dS k,   dk = scale dS^T q,   dbias = dS;
    dk and dv are sums over the heads of a group, dbias over broadcast axes.
    Blocks. Forward, m, z and E v of a query grow key block by key block, what there is
    of z and E v taken times exp(m - m') when m grows to m'. Backward, E and dP of a
    block are made twice: for z, c and w, and then for the rest; once where all keys are
    in one block. (w_i / z_i + c_i is g_i o_i too, which would save the first of them
    and cost digits.) Blocks out of reach by `causal` and `window` are left out; `mask`
    is not looked into for that.
    Saved: query, key, value, bias, mask, and m in float32 or wider.
    Kinks: none. A query that sees nothing gives 0, and takes and gives no gradient;
    a score of -inf by the bias counts as not seen.
    Source: Dao, Fu, Ermon, Rudra & Ré (2022), arXiv:2205.14135; Rabe & Staats (2021),
    arXiv:2112.05682; Ainslie et al. (2023), arXiv:2305.13245, for groups. Unlike
    here, `jax.nn.dot_product_attention` calls causal `is_causal`, window
    `local_window_size`, and gives a query that sees nothing the mean of the values.
    """
    name = "dot_product_attention"
    query, key, value = floats(name, query=query, key=key, value=value)
    _check(query, key, value)
    scores = (*query.shape[:-3], query.shape[-2], query.shape[-3], key.shape[-3])
    if bias is not None:
        (bias,) = floats(name, bias=bias)
        bias = _of_rank("bias", bias, scores)
    if mask is not None:
        mask = jnp.asarray(mask)
        if mask.dtype != bool:
            raise DtypeError(f"{name}: mask must be boolean, got {mask.dtype}")
        mask = _of_rank("mask", mask, scores)
    scale = max(1, query.shape[-1]) ** -0.5 if scale is None else float(scale)
    sizes = block_sizes(*scores[-2:])
    reach = band(causal, window)
    return _attention(query, key, value, bias, mask, scale, reach, sizes)


def _check(query, key, value):
    fits = min(query.ndim, key.ndim) >= 3 and key.shape[:-1] == value.shape[:-1]
    fits = fits and (query.shape[:-3], query.shape[-1]) == (
        key.shape[:-3],
        key.shape[-1],
    )
    if not (fits and key.shape[-2] and query.shape[-2] % key.shape[-2] == 0):
        raise ShapeError(
            "dot_product_attention: needs query (..., t, n, h), key (..., s, k, h) and "
            "value (..., s, k, v) with n a multiple of k, got query "
            f"{query.shape}, key {key.shape} and value {value.shape}"
        )


def _of_rank(name, x, shape):
    """`x` with as many axes as `shape`, each of its size or 1."""
    whole = (1,) * (len(shape) - x.ndim) + x.shape
    if len(whole) != len(shape) or any(n not in (1, m) for n, m in zip(whole, shape)):
        raise ShapeError(
            f"dot_product_attention: {name} must broadcast to (..., n, t, s) = "
            f"{shape}, got {x.shape}"
        )
    return x.reshape(whole)


def _reference(query, key, value, bias, mask, scale, reach, sizes):
    group = query.shape[-2] // key.shape[-2]
    key, value = (jnp.repeat(x, group, -2) for x in (key, value))
    s = wide(jnp.einsum("...qnh,...knh->...nqk", query, key)) * scale
    s = s if bias is None else s + bias.astype(s.dtype)
    positions = jnp.arange(s.shape[-2])[:, None], jnp.arange(s.shape[-1])
    s = _of_seen(s, in_band(*positions, reach), mask)
    highest = lax.stop_gradient(s.max(-1, keepdims=True, initial=-jnp.inf))
    e = jnp.exp(s - _or_zero(highest))
    p = (e / _or_one(e.sum(-1, keepdims=True))).astype(value.dtype)
    return jnp.einsum("...nqk,...knh->...qnh", p, value)


def _of_seen(s, *seen):
    """Scores of what all of `seen` have, -inf for the rest."""
    for x in seen:
        s = s if x is None else jnp.where(x, s, -jnp.inf)
    return s


def _or_zero(x):
    """The highest score, or 0 where there is none: what scores are seen from."""
    return jnp.where(x == -jnp.inf, 0, x)


def _or_one(z):
    """A sum, or 1 where there is nothing in it: what to divide by."""
    return jnp.where(z > 0, z, 1)


def _scores(blocks, q, k, bias, mask, i, j):
    """S of a pair of blocks: (..., k, key, g, query)."""
    s = jnp.einsum("...kh,...hgq->...kgq", at(k, j), at(q, i))
    if bias is not None:
        s += blocks.tile(bias, i, j).astype(s.dtype)
    mask = None if mask is None else blocks.tile(mask, i, j)
    return _of_seen(s, blocks.seen(i, j), mask)


def _forward(query, key, value, bias, mask, scale, reach, sizes):
    blocks = Blocks((query.shape[-3], key.shape[-3]), sizes, reach, key.shape[-2])
    q, k, v = blocks.queries(query) * scale, blocks.keys(key), blocks.keys(value)
    seen_from = blocks.whole(bias), blocks.whole(mask)
    scores = functools.partial(_scores, blocks, q, k, *seen_from)

    def turn(carry, pair):
        i, j = pair
        m, z, a = (at(x, i) for x in carry)
        s = scores(i, j)
        new = jnp.maximum(m, lax.stop_gradient(s.max(-3, keepdims=True)))
        e, shrink = jnp.exp(s - _or_zero(new)), jnp.exp(m - _or_zero(new))
        z = shrink * z + e.sum(-3, keepdims=True)
        a = shrink * a + jnp.einsum("...kv,...kgq->...vgq", at(v, j), e)
        return tuple(put(x, y, i) for x, y in zip(carry, (new, z, a))), None

    zeros = jnp.zeros_like(q[..., :1, :, :])
    a = jnp.broadcast_to(zeros, (*q.shape[:-3], v.shape[-1], *q.shape[-2:]))
    (m, z, a), _ = lax.scan(turn, (zeros - jnp.inf, zeros, a), blocks.pairs())
    output = blocks.joined_queries(a / _or_one(z))
    m = blocks.joined_rows(jnp.where(z > 0, m, jnp.inf))
    return output.astype(query.dtype), (query, key, value, bias, mask, m)


def _backward(scale, reach, sizes, saved, g):
    query, key, value, bias, mask, m = saved
    blocks = Blocks((query.shape[-3], key.shape[-3]), sizes, reach, key.shape[-2])
    q, k, v = blocks.queries(query) * scale, blocks.keys(key), blocks.keys(value)
    g, m, bias_ = blocks.queries(g), blocks.rows(m, jnp.inf), blocks.whole(bias)
    scores = functools.partial(_scores, blocks, q, k, bias_, blocks.whole(mask))

    def block(i, j):
        s = scores(i, j)
        dp = jnp.einsum("...kv,...vgq->...kgq", at(v, j), at(g, i))
        return jnp.exp(s - at(m, i)), dp, s >= at(m, i)

    def first(rows, pair):
        i = pair[0]
        new = _grown([at(x, i) for x in rows], *block(*pair))
        return [put(x, y, i) for x, y in zip(rows, new)], None

    def second(carry, pair):
        i, j = pair
        dq, dk, dv, dbias = carry
        e, dp, top = block(i, j)
        row = [at(x, i) for x in rows]
        z, c, w, n = _grown(row, e, dp, top) if in_one else row
        p = e / _or_one(z)
        ds = p * (_less(dp, c, top, n) - w / _or_one(z))
        dq = _add(dq, jnp.einsum("...kh,...kgq->...hgq", at(k, j), ds), i)
        dk = _add(dk, jnp.einsum("...kgq,...hgq->...kh", ds, at(q, i)), j)
        dv = _add(dv, jnp.einsum("...kgq,...vgq->...kv", p, at(g, i)), j)
        dbias = None if dbias is None else blocks.add_tile(dbias, ds, i, j)
        return (dq, dk, dv, dbias), None

    in_one, rows = blocks.counts[1] == 1, [jnp.zeros_like(m)] * 4
    if not in_one:
        rows, _ = lax.scan(first, rows, blocks.pairs())
    dbias = None if bias_ is None else jnp.zeros_like(bias_, q.dtype)
    start = jnp.zeros_like(q), jnp.zeros_like(k), jnp.zeros_like(v), dbias
    (dq, dk, dv, dbias), _ = lax.scan(second, start, blocks.pairs())
    if bias is not None and dbias is not None:
        dbias = dbias[..., : bias.shape[-2], : bias.shape[-1]].reshape(bias.shape)
    dq = blocks.joined_queries(scale * dq)  # q is scaled already, for dk
    return dq, blocks.joined_keys(dk), blocks.joined_keys(dv), dbias, None


def _grown(rows, e, dp, top):
    """Per query z, c, w, and how many keys are the top, with one more block of keys."""
    z, c, w, n = rows
    number = top.astype(e.dtype).sum(-3, keepdims=True)
    here = jnp.where(top, dp, 0).sum(-3, keepdims=True) / _or_one(number)
    new = jnp.where(number > 0, here, c)
    rest = (e * _less(dp, new, top, number)).sum(-3, keepdims=True)
    return [z + e.sum(-3, keepdims=True), new, w + z * (c - new) + rest, n + number]


def _less(dp, c, top, number):
    """Of dP, what c leaves: of the key that c is of 0, however dP is rounded here."""
    return jnp.where(top & (number == 1), 0, dp - c)


def _add(x, block, i):
    return put(x, at(x, i) + block, i)


def _cases(normal):
    def of(b, t, s, k, g, h, v):
        return normal(b, t, k * g, h), normal(b, s, k, h), normal(b, s, k, v)

    third = jnp.arange(4 * 5).reshape(1, 1, 4, 5) % 3 > 0
    some = jnp.arange(7).reshape(1, 1, 7, 1) != 1  # one query sees nothing
    all_keys = (None, None)
    yield *of(1, 5, 5, 2, 2, 1, 2), None, None, 0.7, (None, 0), (2, 2)
    yield *of(1, 4, 5, 1, 2, 1, 2), normal(1, 2, 4, 5), third, 0.4, all_keys, (3, 2)
    # nor does the last query see anything
    yield *of(2, 7, 4, 1, 1, 1, 2), normal(1, 1, 1, 4), some, -0.5, (1, 2), (3, 2)
    yield *of(1, 2, 3, 1, 2, 2, 2), None, None, 0.6, (1, 1), (2, 3)  # keys in one block
    yield *of(0, 2, 3, 1, 1, 2, 2), None, None, 1.0, (None, 0), (2, 3)


_attention = rule(
    _reference, _forward, _backward, static=("scale", "reach", "sizes"), cases=_cases
)
