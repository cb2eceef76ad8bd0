"""Backward passes of network parts, recomputed, in blocks, reversed or in chunks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .example import Example, integers, normal, replaced, reverse_rule


def _attention(q, k, v):
    """Causal, in blocks of two keys with an online softmax: no score matrix."""
    scale, rows = 1 / math.sqrt(q.shape[-1]), jnp.arange(len(q))[:, None]

    def block(carry, start):
        top, total, out = carry
        keys = lax.dynamic_slice_in_dim(k, start, 2)
        values = lax.dynamic_slice_in_dim(v, start, 2)
        seen = start + jnp.arange(2) <= rows
        scores = jnp.where(seen, q @ keys.T * scale, -jnp.inf)
        new_top = jnp.maximum(top, scores.max(-1))
        shrink, p = jnp.exp(top - new_top), jnp.exp(scores - new_top[:, None])
        total = total * shrink + p.sum(-1)
        return (new_top, total, out * shrink[:, None] + p @ values), None

    start = jnp.full(len(q), -jnp.inf, q.dtype), jnp.zeros(len(q), q.dtype)
    start = *start, jnp.zeros((len(q), v.shape[1]), q.dtype)
    (top, total, out), _ = lax.scan(block, start, jnp.arange(0, len(k), 2))
    return out / total[:, None], top + jnp.log(total)


def _attention_fwd(q, k, v):
    out, normalizer = _attention(q, k, v)
    return out, (q, k, v, out, normalizer)


def _attention_bwd(saved, g):
    q, k, v, out, normalizer = saved
    scale, rows = 1 / math.sqrt(q.shape[-1]), jnp.arange(len(q))[:, None]
    delta = (g * out).sum(-1, keepdims=True)

    def block(dq, start):
        keys = lax.dynamic_slice_in_dim(k, start, 2)
        values = lax.dynamic_slice_in_dim(v, start, 2)
        seen = start + jnp.arange(2) <= rows
        scores = q @ keys.T * scale - normalizer[:, None]
        p = jnp.exp(jnp.where(seen, scores, -jnp.inf))
        ds = p * (g @ values.T - delta) * scale
        return dq + ds @ keys, (ds.T @ q, p.T @ g)

    dq, parts = lax.scan(block, jnp.zeros_like(q), jnp.arange(0, len(k), 2))
    dk, dv = (part.reshape(like.shape) for part, like in zip(parts, (k, v)))
    return dq, dk, dv


attention = reverse_rule(
    lambda q, k, v: _attention(q, k, v)[0], _attention_fwd, _attention_bwd
)


def _chunked_loss(hidden, kernel, labels):
    """Cross-entropy of hidden @ kernel, two rows at a time."""

    def chunk(pair):
        h, label = pair
        logits = h @ kernel
        picked = jnp.take_along_axis(logits, label[:, None], 1)[:, 0]
        return jax.nn.logsumexp(logits, -1) - picked

    split = hidden.reshape(-1, 2, hidden.shape[1]), labels.reshape(-1, 2)
    return lax.map(chunk, split).mean()


def _chunked_loss_fwd(hidden, kernel, labels):
    """The gradient is made here, for a cotangent of 1."""

    def chunk(dkernel, pair):
        h, label = pair
        logits = h @ kernel
        hot = jax.nn.one_hot(label, kernel.shape[1], dtype=h.dtype)
        error = (jax.nn.softmax(logits, -1) - hot) / len(hidden)
        return dkernel + h.T @ error, error @ kernel.T

    split = hidden.reshape(-1, 2, hidden.shape[1]), labels.reshape(-1, 2)
    dkernel, dhidden = lax.scan(chunk, jnp.zeros_like(kernel), split)
    saved = dhidden.reshape(hidden.shape), dkernel
    return _chunked_loss(hidden, kernel, labels), saved


chunked_loss = reverse_rule(
    _chunked_loss,
    _chunked_loss_fwd,
    lambda saved, g: (g * saved[0], g * saved[1], None),
)


def _halves(x, params):
    a, b = x
    for w, u in params:
        a = a + jnp.tanh(b @ w)
        b = b + jnp.sin(a @ u)
    return a, b


def _reversible_bwd(saved, g):
    """Every activation is made again from the outputs."""
    (a, b), params = saved
    da, db = g
    slopes = []
    for w, u in reversed(params):
        sine, pull = jax.vjp(lambda a, u: jnp.sin(a @ u), a, u)
        b = b - sine
        more, du = pull(db)
        da = da + more
        tangent, pull = jax.vjp(lambda b, w: jnp.tanh(b @ w), b, w)
        a = a - tangent
        more, dw = pull(da)
        db = db + more
        slopes.append((dw, du))
    return (da, db), slopes[::-1]


def _reversible_fwd(x, params):
    y = _halves(x, params)
    return y, (y, params)


reversible = reverse_rule(_halves, _reversible_fwd, _reversible_bwd)


def _layer_norm(x, scale, bias):
    centered = x - x.mean(-1, keepdims=True)
    inverse = lax.rsqrt((centered**2).mean(-1, keepdims=True) + 1e-5)
    return centered * inverse * scale + bias


def _layer_norm_fwd(x, scale, bias):
    inverse = lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)
    y = (x - x.mean(-1, keepdims=True)) * inverse
    return y * scale + bias, (y, inverse, scale)


def _layer_norm_bwd(saved, g):
    y, inverse, scale = saved
    gy = g * scale
    project = gy.mean(-1, keepdims=True) + y * (gy * y).mean(-1, keepdims=True)
    return inverse * (gy - project), (g * y).sum(0), g.sum(0)


layer_norm = reverse_rule(_layer_norm, _layer_norm_fwd, _layer_norm_bwd)


def _batch_norm(x):
    return (x - x.mean(0)) * lax.rsqrt(x.var(0) + 1e-3), x.mean(0), x.var(0)


def _batch_norm_bwd(x, g):
    gy, gmean, gvar = g
    inverse = lax.rsqrt(x.var(0) + 1e-3)
    centered = x - x.mean(0)
    y = centered * inverse
    dx = inverse * (gy - gy.mean(0) - y * (gy * y).mean(0))
    return (dx + (gmean + 2 * gvar * centered) / len(x),)


batch_norm = reverse_rule(_batch_norm, lambda x: (_batch_norm(x), x), _batch_norm_bwd)

CONV = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "precision": "highest"}


def _conv(x, kernel):
    return lax.conv_general_dilated(x, kernel, (2, 1), [(1, 0), (0, 2)], **CONV)


def _conv_bwd(saved, g):
    x, kernel = saved
    dx, dkernel = np.zeros(2), jnp.zeros_like(kernel)
    padded = jnp.pad(x, [(0, 0), (1, 0), (0, 2), (0, 0)])
    dx = jnp.zeros_like(padded)
    for i, j in np.ndindex(*kernel.shape[:2]):
        part = np.s_[:, i : i + 2 * g.shape[1] : 2, j : j + g.shape[2]]
        rows = padded[part][:, : g.shape[1]]
        dkernel = dkernel.at[i, j].add(jnp.einsum("nhwc,nhwd->cd", rows, g))
        dx = dx.at[part].add(g @ kernel[i, j].T)
    return dx[:, 1:, : x.shape[2]], dkernel


conv = reverse_rule(_conv, lambda *a: (_conv(*a), a), _conv_bwd)


def _bilinear(x, w, y):
    return jnp.einsum("ni,kij,nj->nk", x, w, y)


bilinear = reverse_rule(
    _bilinear,
    lambda *a: (_bilinear(*a), a),
    lambda saved, g: (
        jnp.einsum("nk,kij,nj->ni", g, saved[1], saved[2]),
        jnp.einsum("nk,ni,nj->kij", g, saved[0], saved[2]),
        jnp.einsum("nk,ni,kij->nj", g, saved[0], saved[1]),
    ),
)
recomputed = reverse_rule(
    lambda x, w: jnp.tanh(jnp.tanh(x @ w) @ w),
    lambda x, w: (jnp.tanh(jnp.tanh(x @ w) @ w), (x, w)),
    lambda saved, g: jax.vjp(
        jax.checkpoint(lambda x, w: jnp.tanh(jnp.tanh(x @ w) @ w)), *saved
    )[1](g),
)

N = normal
EXAMPLES = (
    Example(
        "blockwise causal attention",
        attention,
        (N(80, 4, 3), N(81, 4, 3), N(82, 4, 2)),
        "-inf under the mask, an online softmax, and a recomputing backward pass",
    ),
    Example(
        "attention with huge logits",
        lambda q, k, v: attention(30 * q, 30 * k, v),
        (N(83, 4, 2), N(84, 4, 2), N(85, 4, 2)),
        "saturated rows, whose slopes are nearly or exactly zero",
    ),
    Example(
        "chunked cross-entropy",
        chunked_loss,
        (N(86, 4, 3), N(87, 3, 5), integers(0, 4, 2, 2)),
        "the gradient is computed forward, and only scaled backward",
    ),
    Example(
        "reversible blocks",
        reversible,
        (
            (N(88, 2, 3), N(89, 2, 3)),
            [(N(90, 3, 3), N(91, 3, 3)), (N(92, 3, 3), N(93, 3, 3))],
        ),
        "inputs are reconstructed from outputs, up to rounding",
    ),
    Example(
        "layer norm",
        layer_norm,
        (replaced(N(94, 3, 5), 1, 2), N(95, 5), N(96, 5)),
        "a constant row: its slope is 316 times the projected cotangent",
    ),
    Example(
        "batch norm with its statistics",
        batch_norm,
        (replaced(N(97, 4, 3), np.s_[:, 1], 0.5),),
        "three outputs that depend on each other, and a constant channel",
    ),
    Example(
        "strided convolution",
        conv,
        (N(98, 1, 5, 4, 2), N(99, 3, 2, 2, 2)),
        "uneven padding, and a last row that no window reads",
    ),
    Example(
        "bilinear form",
        bilinear,
        (N(100, 2, 3), N(101, 2, 3, 2), N(102, 2, 2)),
        "the kernel's cotangent is a sum over rows of outer products",
    ),
    Example(
        "checkpoint in the backward pass",
        recomputed,
        (N(103, 2, 3), N(104, 3, 3)),
        "backward differentiates forward by itself, and uses a weight twice",
    ),
)
