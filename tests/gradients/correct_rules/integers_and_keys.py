"""Arguments and outputs that have no gradient: ids, masks, keys."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .example import Example, array, integers, normal, reverse_rule


def float0(x):
    return np.zeros(np.shape(x), jax.dtypes.float0)


def _lookup_bwd(saved, g):
    table, ids = saved
    return jnp.zeros_like(table).at[ids].add(g), float0(ids)


lookup = reverse_rule(
    lambda table, ids: table[ids], lambda *a: (a[0][a[1]], a), _lookup_bwd
)


def _padded_lookup(table, ids):
    return jnp.where((ids >= 0)[..., None], table[jnp.maximum(ids, 0)], 0)


def _padded_lookup_bwd(saved, g):
    table, ids = saved
    g = jnp.where((ids >= 0)[..., None], g, 0)
    return jnp.zeros_like(table).at[jnp.maximum(ids, 0)].add(g), None


padded_lookup = reverse_rule(
    _padded_lookup, lambda *a: (_padded_lookup(*a), a), _padded_lookup_bwd
)

bag_of_ids = reverse_rule(
    lambda table, ids: table[ids].sum(0),
    lambda table, ids: (table[ids].sum(0), (table, ids)),
    lambda saved, g: (
        jax.nn.one_hot(saved[1], len(saved[0]), dtype=g.dtype).sum(0)[:, None] * g,
        None,
    ),
)


def _segment_sum(x, ids):
    return jnp.zeros((4, *x.shape[1:]), x.dtype).at[ids].add(x, mode="drop")


def _segment_sum_bwd(ids, g):
    return g.at[ids].get(mode="fill", fill_value=0), None


segment_sum = reverse_rule(
    _segment_sum, lambda x, ids: (_segment_sum(x, ids), ids), _segment_sum_bwd
)


def _dropout(x, key, keep):
    return jnp.where(jax.random.bernoulli(key, keep, x.shape), x / keep, 0)


def _dropout_bwd(saved, g):
    key, keep = saved
    # the mask is drawn again from the key, not saved
    return _dropout(g, key, keep), None, None


_dropout_rule = reverse_rule(
    _dropout, lambda x, key, keep: (_dropout(x, key, keep), (key, keep)), _dropout_bwd
)


def dropout(x, key):
    return _dropout_rule(x, key, 0.75)


def _gaussian_noise(mean, scale, key):
    return mean + scale * jax.random.normal(key, mean.shape, mean.dtype)


def _gaussian_noise_bwd(saved, g):
    noise, key = saved
    del key
    return g, (g * noise).sum(), None


gaussian_noise = reverse_rule(
    _gaussian_noise,
    lambda mean, scale, key: (
        _gaussian_noise(mean, scale, key),
        (jax.random.normal(key, mean.shape, mean.dtype), key),
    ),
    _gaussian_noise_bwd,
)


def _where_bwd(mask, g):
    return None, jnp.where(mask, g, 0), jnp.where(mask, 0, g)


choose = reverse_rule(
    jnp.where, lambda mask, x, y: (jnp.where(mask, x, y), mask), _where_bwd
)


def _nll(logits, labels):
    logits = logits - jax.nn.logsumexp(logits, -1, keepdims=True)
    valid = labels >= 0
    picked = jnp.take_along_axis(logits, jnp.maximum(labels, 0)[:, None], 1)[:, 0]
    return -jnp.where(valid, picked, 0).sum() / jnp.maximum(valid.sum(), 1)


def _nll_bwd(saved, g):
    logits, labels = saved
    valid = labels >= 0
    hot = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    d = jnp.where(valid[:, None], jax.nn.softmax(logits) - hot, 0)
    return g / jnp.maximum(valid.sum(), 1) * d, float0(labels)


nll = reverse_rule(_nll, lambda *a: (_nll(*a), a), _nll_bwd)

largest_and_where = reverse_rule(
    lambda x: (x.max(-1), x.argmax(-1), x > 0),
    lambda x: ((x.max(-1), x.argmax(-1), x > 0), (x.argmax(-1), x)),
    lambda saved, g: (
        jax.nn.one_hot(saved[0], saved[1].shape[-1], dtype=g[0].dtype)
        * g[0][..., None],
    ),
)


@jax.custom_jvp
def shifted(x, by):
    return jnp.roll(x, by)


@shifted.defjvp
def _shifted_jvp(primals, tangents):
    x, by = primals
    return shifted(x, by), jnp.roll(tangents[0], by)  # that of `by` is float0


@jax.custom_jvp
def rounded_pair(x):
    return jnp.sin(x), jnp.round(x).astype(jnp.int32)


@rounded_pair.defjvp
def _rounded_pair_jvp(primals, tangents):
    y, n = rounded_pair(*primals)
    return (y, n), (jnp.cos(*primals) * tangents[0], float0(n))


def _window(x, start):
    return lax.dynamic_slice(x, (start,), (2,))


window = reverse_rule(
    _window,
    lambda x, start: (_window(x, start), (x, start)),
    lambda saved, g: (
        lax.dynamic_update_slice(jnp.zeros_like(saved[0]), g, (saved[1],)),
        float0(saved[1]),
    ),
)

_counted = reverse_rule(
    lambda state, x: ({"n": state["n"] + 1, "sum": state["sum"] + x.sum()}, x * 2),
    lambda state, x: (
        ({"n": state["n"] + 1, "sum": state["sum"] + x.sum()}, x * 2),
        (state["n"], x),
    ),
    lambda saved, g: (
        {"n": float0(saved[0]), "sum": g[0]["sum"]},
        2 * g[1] + g[0]["sum"] * jnp.ones_like(saved[1]),
    ),
)

TABLE = normal(70, 5, 3)
KEY = jax.random.key(7)

EXAMPLES = (
    Example(
        "embedding, repeated ids",
        lookup,
        (TABLE, integers([4, 0, 4], [4, 1, -1])),
        "repeated ids add up, a negative one counts from the end",
    ),
    Example(
        "embedding, padding ids",
        padded_lookup,
        (TABLE, integers(-1, 2, 0, 2, -1)),
        "a padding id reads row 0 and must send it nothing",
    ),
    Example(
        "bag of ids by one-hot",
        bag_of_ids,
        (TABLE, integers(1, 1, 1, 4)),
        "backward is a product where forward is a gather",
    ),
    Example(
        "segment sum, ids dropped",
        segment_sum,
        (normal(71, 5, 2), integers(0, 3, 9, 0, 4)),
        "ids beyond the end count nowhere",
    ),
    Example(
        "dropout by a key",
        dropout,
        (normal(72, 3, 4), KEY),
        "the mask is drawn again in the backward pass; the rate is a constant",
    ),
    Example(
        "reparametrized noise, legacy key",
        gaussian_noise,
        (normal(73, 4), jnp.float32(0.5), jax.random.PRNGKey(3)),
        "a key that looks like two integers",
    ),
    Example(
        "where by a mask",
        choose,
        (array(1, 0, 1, dtype=bool), normal(74, 3), normal(75, 3)),
        "a boolean argument, first",
    ),
    Example(
        "labels at the boundary",
        nll,
        (normal(76, 5, 3), integers(0, 2, -1, 2, -1)),
        "first, last and ignored labels",
    ),
    Example(
        "every label ignored",
        nll,
        (normal(77, 2, 3), integers(-1, -1)),
        "loss and gradient are exactly zero",
    ),
    Example(
        "integer and boolean outputs",
        largest_and_where,
        (normal(78, 2, 3),),
        "two of three cotangents are float0",
    ),
    Example(
        "integer argument of a forward rule",
        shifted,
        (normal(79, 4), jnp.int32(-1)),
        "its tangent is float0",
    ),
    Example(
        "integer output of a forward rule",
        rounded_pair,
        (array(0.4, 1.6, -2.3),),
        "the rule gives a float0 tangent itself",
    ),
    Example(
        "slice at a traced start",
        window,
        (normal(80, 5), jnp.int32(4)),
        "a start beyond the end is moved back, in both passes",
    ),
    Example(
        "state with a counter",
        _counted,
        ({"n": jnp.int32(3), "sum": jnp.float32(1)}, normal(81, 3)),
        "a pytree of an integer and a float, in and out",
    ),
    Example(
        "one-hot against ids",
        lambda table, ids: lookup(table, ids) - jax.nn.one_hot(ids, 5) @ table,
        (TABLE, integers(3, 0, 3)),
        "two equal paths cancel: the program's gradient is 0, the rule's is not",
    ),
)
