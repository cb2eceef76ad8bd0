"""Attention, in blocks."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import partitioned, scan
from funcnn.errors import DtypeError, ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._attention._blocks import (
    Blocks,
    band,
    divisor,
    in_band,
    over_entries,
    sizes_at_once,
)
from funcnn.ops._products._transposed import transposed_first
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
    As P sums to 1, a number c_i may be taken from dP_i:
        dS_ik = P_ik (dP_ik - c_i - w_i / z_i),   w_i = sum_j E_ij (dP_ij - c_i),
        dq = scale dS k,   dk = scale dS^T q,   dbias = dS;
    dk and dv are sums over the heads of a group, dbias over broadcast axes. c is the
    part of sum_j P_ij dP_ij that keys of the largest score have: dP of a key for which
    P is nearly 1, where nothing cancels then, and all of w is small. (g_i o_i, which is
    w_i / z_i + c_i, would save both and cost digits.) What divides by z is done to the
    rows of q and g and to dq, which are fewer numbers than E.
    Blocks. A block of queries has all its scores at once, forward and backward, which
    takes two products and five; blocks come one after another, and on a CPU few heads
    at once, so that scores stay in its cache. Keys out of reach by `causal` and
    `window` are left out; where reach has one side, blocks are in up to eight groups,
    each with the keys that one of its blocks needs. `mask` is not looked into for that.
    Saved: query, key, value, bias, mask, and m and z in float32 or wider.
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
    k = key.shape[-2]
    group, entries = query.shape[-2] // k, math.prod(key.shape[:-3]) * k
    sizes = sizes_at_once((scores[-2], scores[-1]), group, entries)
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


def _scores(blocks, seen_from, places, q, k, i, first):
    """S of the rows of block i and their keys, of which `first` is the first."""
    s = jnp.einsum("qh,kh->qk", q, k)
    bias, mask = (
        None if x is None else blocks.tile(x[place], i, first, s.shape[1])
        for x, place in zip(seen_from, places)
    )
    of_heads = s.reshape(blocks.heads[1], blocks.rows, s.shape[1])
    of_heads = of_heads if bias is None else of_heads + bias.astype(s.dtype)
    return _of_seen(of_heads, blocks.seen(i, first, s.shape[1]), mask).reshape(s.shape)


def _forward(query, key, value, bias, mask, scale, reach, sizes):
    def run(query, key, value, bias, mask, *, rows, together):
        blocks = Blocks.of(query, key, rows, reach)
        q, k, v = blocks.queries(query) * scale, blocks.keys(key), blocks.keys(value)
        places = blocks.places(bias), blocks.places(mask)
        seen_from = blocks.whole(bias), blocks.whole(mask)
        head = functools.partial(_forward_of_head, blocks, seen_from)
        _, found = over_entries(head, together, None, places, q, k, v)
        return tuple(map(blocks.joined_queries, found))

    output, m, z = _by_platform(run, sizes, query, key, value, bias, mask)
    return output.astype(query.dtype), (query, key, value, bias, mask, m, z)


def _by_platform(run, sizes, query, key, value, bias, mask, *others):
    """On a CPU few heads at once, whose scores stay in its cache; elsewhere all.

    With a bias a quarter of them, for each has a cotangent of it in memory, and a copy.
    All too where heads, or examples, are on several devices. On a TPU blocks are not
    smaller for a group of heads, and a short sequence is one: the products of small
    blocks, and that they are cut out, take longer than what they leave out.
    """
    args = query, key, value, bias, mask, *others
    rows, together = sizes
    t, group = query.shape[-3], query.shape[-2] // key.shape[-2]
    entries = max(1, math.prod(key.shape[:-3]) * key.shape[-2])
    everywhere = together >= entries or partitioned.value is not None
    together = entries if everywhere else together
    split = bias is not None and not everywhere
    elsewhere = divisor(entries, entries // 4) if split else entries
    on_tpu = t if 128 < t <= 256 else min(t, rows * max(1, min(group, 128 // rows)))
    return lax.platform_dependent(
        *args,
        cpu=functools.partial(run, rows=rows, together=together),
        tpu=functools.partial(run, rows=max(1, on_tpu), together=elsewhere),
        default=functools.partial(run, rows=rows, together=elsewhere),
    )


def _forward_of_head(blocks, seen_from, places, q, k, v):
    def block(i, keys):
        first = blocks.first_key(i, keys)
        own_k, own_v = (lax.dynamic_slice_in_dim(x, first, keys) for x in (k, v))
        s = _scores(blocks, seen_from, places, q[i], own_k, i, first)
        m = lax.stop_gradient(s.max(-1, keepdims=True, initial=-jnp.inf))
        e = jnp.exp(s - _or_zero(m))
        z = e.sum(-1, keepdims=True)
        o = jnp.einsum("qk,kv->qv", e, own_v) / _or_one(z)
        return o, jnp.where(z > 0, m, jnp.inf), _or_one(z)

    found = [
        lax.map(functools.partial(block, keys=keys), jnp.arange(start, stop))
        for start, stop, keys in blocks.groups()
    ]
    return None, tuple(map(jnp.concatenate, zip(*found)))


def _backward(scale, reach, sizes, saved, g):
    def run(query, key, value, bias, mask, m, z, g, *, rows, together):
        blocks = Blocks.of(query, key, rows, reach)
        q, k, v = blocks.queries(query) * scale, blocks.keys(key), blocks.keys(value)
        places = blocks.places(bias), blocks.places(mask)
        whole_bias = blocks.whole(bias)
        seen_from = whole_bias, blocks.whole(mask)
        head = functools.partial(_backward_of_head, blocks, seen_from)
        dbias = None if whole_bias is None else jnp.zeros_like(whole_bias, q.dtype)
        m, z, g = map(blocks.queries, (m, z, g))
        m = jnp.where(z > 0, m, jnp.inf)  # what fills a block up sees nothing
        dbias, (dq, dk, dv) = over_entries(
            head, together, dbias, places, q, k, v, m, _or_one(z), g
        )
        if dbias is not None:
            dbias = dbias[..., : bias.shape[-2], :].reshape(bias.shape)
        dq = blocks.joined_queries(scale * dq)  # q is scaled already, for dk
        dk, dv = (blocks.joined_keys(x.mT) for x in (dk, dv))
        return dq, dk, dv, dbias

    return *_by_platform(run, sizes, *saved, g), None


def _backward_of_head(blocks, seen_from, places, q, k, v, m, z, g):
    def block(carry, i, keys):
        dk, dv, dbias = carry
        first = blocks.first_key(i, keys)
        own_k, own_v = (lax.dynamic_slice_in_dim(x, first, keys) for x in (k, v))
        own_q, own_g, own_z = q[i], g[i], z[i]
        s = _scores(blocks, seen_from, places, own_q, own_k, i, first)
        e = jnp.exp(s - m[i])
        ds = _slopes(e, own_z, jnp.einsum("qv,kv->qk", own_g, own_v))
        dq = jnp.einsum("qk,kh->qh", ds, own_k) / own_z
        dk = _add(dk, transposed_first(own_q / own_z) @ ds, first)
        dv = _add(dv, transposed_first(own_g / own_z) @ e, first)
        if dbias is not None:
            tile = (ds / own_z).reshape(blocks.heads[1], blocks.rows, keys)
            dbias = blocks.add_tile(dbias, tile, i, first)
        return (dk, dv, dbias), dq

    bias = seen_from[0]
    dbias = None if bias is None else jnp.zeros_like(bias[0], q.dtype)
    # dk and dv are (h, key): as (key, h) the products take longer
    carry, dq = (jnp.zeros_like(k.T), jnp.zeros_like(v.T), dbias), []
    for start, stop, keys in blocks.groups():
        of_keys = functools.partial(block, keys=keys)
        carry, found = scan(of_keys, carry, jnp.arange(start, stop))
        dq.append(found)
    dk, dv, dbias = carry
    return dbias, (jnp.concatenate(dq), dk, dv)


def _slopes(e, z, dp):
    """The slopes of the scores, dS, times z; linear in dP.

    On a CPU with c and by `_sums`; elsewhere each costs one more pass through E.
    """

    def in_two(e, z, dp):
        c = _sums(jnp.where(e >= 1, dp, 0)) / z
        rest = e * (dp - c)
        return rest - e * (_sums(rest) / z)

    def in_one(e, z, dp):
        rest = e * dp
        return rest - e * (rest.sum(-1, keepdims=True) / z)

    return lax.platform_dependent(e, z, dp, cpu=in_two, default=in_one)


def _sums(x):
    """Sums over keys: as a product, which is faster on a CPU."""
    return jnp.einsum("qk,kr->qr", x, jnp.ones((x.shape[1], 1), x.dtype))


def _add(x, part, first):
    """`part` added to the columns of `x` from `first` on."""
    part += lax.dynamic_slice_in_dim(x, first, part.shape[1], 1)
    return lax.dynamic_update_slice_in_dim(x, part, first, 1)


def _cases(normal):
    def of(b, t, s, k, g, h, v):
        return normal(b, t, k * g, h), normal(b, s, k, h), normal(b, s, k, v)

    third = jnp.arange(4 * 5).reshape(1, 1, 4, 5) % 3 > 0
    some = jnp.arange(7).reshape(1, 1, 7, 1) != 1  # one query sees nothing
    all_keys = (None, None)
    # two of four heads at once, in three blocks
    yield *of(2, 5, 5, 2, 1, 1, 2), None, None, 0.7, (None, 0), (2, 2)
    yield *of(1, 4, 5, 1, 2, 1, 2), normal(1, 2, 4, 5), third, 0.4, all_keys, (3, 1)
    # nor does the last query see anything
    yield *of(2, 7, 4, 1, 1, 1, 2), normal(1, 1, 1, 4), some, -0.5, (1, 2), (3, 1)
    yield *of(1, 2, 3, 1, 2, 2, 2), None, None, 0.6, (1, 1), (2, 1)  # in one block
    yield *of(0, 2, 3, 1, 1, 2, 2), None, None, 1.0, (None, 0), (2, 1)


_attention = rule(
    _reference, _forward, _backward, static=("scale", "reach", "sizes"), cases=_cases
)
