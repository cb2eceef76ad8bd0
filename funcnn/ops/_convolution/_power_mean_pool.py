"""The power mean of every window."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._convolution._windows import Padding, pool_arguments, pool_cases
from funcnn.rules import rule


def power_mean_pool(
    x: jax.Array,
    window: int | Sequence[int],
    p: float = 2.0,
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
) -> jax.Array:
    """The power mean of the magnitudes in each window: (mean |x|^p)^(1/p).

    With p = 1 it is the mean of |x|, with p = 2 the root of the mean square; the
    larger p is, the closer it comes to the maximum of |x|.

    Shapes: x (batch, *spatial, c) with 1 to 3 spatial axes -> (batch, *output, c).
            One number for `window` or `stride` stands for every spatial axis; the
            stride is the window's size unless given. Padding counts as 0 and as an
            entry, as in `avg_pool`.
    Dtypes: any float; computed in float32 or wider. Each window is divided by its
            largest magnitude first, so that no power overflows.
    Units:  the output has those of x.
    Errors: ShapeError when x has other axes or no window fits; ValueError for
            options that are not understood, and unless 1 <= p < infinity.

    Gradient. Let K be the window's size and y_o^p = sum_i |x_i|^p / K. Then
    p y_o^(p-1) dy_o = p |x_i|^(p-1) sign(x_i) dx_i / K, so
        dx_i = sign(x_i) sum_o [i in window o] g_o (|x_i| / y_o)^(p-1) / K.
    As |x_i| <= K^(1/p) y_o, no power overflows here either.
    Saved: x; the means are made again.
    Kinks: sign(0) = 0, so an entry of 0 has slope 0; in a window of zeros alone, where
    y has a cone's tip, that is the middle of its subgradients.
    Source: Sermanet, Chintala & LeCun (2012), arXiv:1204.3968.
    Differs: PyTorch's `LPPool` takes the sum instead of the mean, which is larger by
    K^(1/p), of x^p with its sign.
    """
    p = float(p)
    if not 1 <= p < math.inf:
        raise ValueError(f"power_mean_pool: p must be at least 1 and finite, got {p}")
    x, where = pool_arguments("power_mean_pool", x, window, stride, padding)
    return _power_mean_pool(x, where, p)


def _power(x, p):
    """`x`^p for x >= 0, by products where p is a small whole number."""
    if p in range(9):
        return lax.integer_pow(x, int(p))
    return lax.pow(x, jnp.asarray(p, x.dtype))


def _root(x, p):
    """`x`^(1/p), with slope 0 at 0."""
    positive = x != 0
    return jnp.where(positive, _power(jnp.where(positive, x, 1), 1 / p), 0)


def _scale(largest):
    """What a window is divided by; y does not depend on it."""
    usable = (largest > 0) & jnp.isfinite(largest)
    return lax.stop_gradient(jnp.where(usable, largest, 1))


def _reference(x, where, p):
    magnitude = jnp.where(x == 0, 0, abs(x))  # with slope 0 at 0, where abs has 1
    padded = where.padded(magnitude, 0)
    entries = jnp.stack([where.entry(padded, offset) for offset in where.offsets])
    scale = _scale(entries.max(0))
    return scale * _root(_power(entries / scale, p).mean(0), p)


def _forward(x, where, p):
    _, scale, root = _parts(x, where, p)
    return (scale * root).astype(x.dtype), x


def _backward(where, p, x, g):
    entries, _, root = _parts(x, where, p)
    g, root = wide(g) / len(entries), jnp.where(root > 0, root, 1)
    shares = (g * _power(entry / root, p - 1) for entry in entries)
    return (jnp.sign(wide(x)) * where.added_up(shares),)


def _parts(x, where, p):
    """With y = scale * root: the entries over the scale, the scale and the root."""
    padded = where.padded(wide(abs(x)), 0)
    entries = [where.entry(padded, offset) for offset in where.offsets]
    scale = _scale(functools.reduce(jnp.maximum, entries))
    entries = [entry / scale for entry in entries]
    return entries, scale, _root(sum(_power(e, p) for e in entries) / len(entries), p)


def _cases(normal):
    for number, (x, where) in enumerate(pool_cases("power_mean_pool", normal)):
        yield x, where, (2.0, 3.0, 1.0, 2.5)[number % 4]
    x = jnp.array([0.0, 0.0, 0.0, -2.0, 0.0, 3.0]).reshape(1, 6, 1)
    for p in (1.0, 2.0):  # zeros: alone, and beside others
        yield *pool_arguments("power_mean_pool", x, 2), p


_power_mean_pool = rule(
    _reference, _forward, _backward, static=["where", "p"], cases=_cases
)
