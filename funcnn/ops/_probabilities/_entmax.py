"""Sparsemax and 1.5-entmax: distributions with zeros in them.

Shapes, dtypes and errors are those of both.

Both maximize p . x + H(p) over the distributions p, with Tsallis' entropy H of order
a: 2 for sparsemax, 1.5 for entmax15 (and 1 for softmax). The maximum is

    y_i = max((a - 1) x_i - tau, 0)^(1 / (a - 1)),    sum y = 1.

Gradient. Where y_i > 0 let s_i = y_i^(2 - a), else s_i = 0. Then dy_i = s_i (dx_i -
dtau / (a - 1)), and sum dy = 0 gives dtau / (a - 1) = sum_j s_j dx_j / sum s, so

    dy_i/dx_j = s_i delta_ij - s_i s_j / sum s,     symmetric in i and j:
    dx_j = s_j (g_j - sum_i s_i g_i / sum s).

Tau follows from the support S = {i: y_i > 0}, by a quadratic equation at most. S are
the k largest entries, k being the largest number for which the k-th entry is above
the tau that the k largest would have.
"""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import axes_of, floats, wide
from funcnn.ops._probabilities._shares import centered
from funcnn.rules import rule


def sparsemax(x: jax.Array, axis: int = -1) -> jax.Array:
    """The distribution over `axis` that is nearest to `x`: max(x - tau, 0).

    Shapes: x of one or more axes -> the same.
    Dtypes: any float; computed in float32 or wider.
    Errors: DtypeError unless x is of floats; ValueError for an axis that x does not
            have.

    Gradient. As above with s_i = [y_i > 0]: on the support S, with k entries,
        dx = g - (sum_S g) / k,      and 0 elsewhere.
    Saved: one byte per entry, whether it is in the support.
    Kinks: where an entry is equal to tau it has probability 0 and gets 0. As in
    softmax, an entry of -inf gives 0, a row of these or one with +inf NaN.
    Source: Martins & Astudillo (2016), arXiv:1602.02068.
    """
    return _over_axis("sparsemax", _sparsemax, x, axis)


def entmax15(x: jax.Array, axis: int = -1) -> jax.Array:
    """max(x / 2 - tau, 0)^2 over `axis`: sparse as sparsemax, smooth as softmax.

    Shapes: x of one or more axes -> the same.
    Dtypes: any float; computed in float32 or wider.
    Errors: DtypeError unless x is of floats; ValueError for an axis that x does not
            have.

    Gradient. As above with s_i = sqrt(y_i) = max(x_i / 2 - tau, 0):
        dx = s (g - (s . g) / sum s).
    Tau is (mean - sqrt((1 - sum (x/2 - mean)^2) / k)) over the k entries of S.
    Saved: sqrt(y), in the dtype of x.
    Kinks: none in y; its slope bends where an entry reaches tau. As in softmax, an
    entry of -inf gives 0, a row of these or one with +inf NaN.
    Source: Peters, Niculae & Martins (2019), arXiv:1905.05702, algorithm 2 and
    proposition 4.
    """
    return _over_axis("entmax15", _entmax15, x, axis)


def _over_axis(op, rule_, x, axis):
    (x,) = floats(op, x=x)
    (axis,) = axes_of(op, x, axis)
    return jnp.moveaxis(rule_(jnp.moveaxis(x, axis, -1)), -1, axis)


def _below_top(x):
    """Of x less its largest entry; -1 stands for all below, which is in no support."""
    top = lax.stop_gradient(x.max(-1, keepdims=True, initial=-jnp.inf))
    return jnp.maximum(x - top, -1) + (top - top)  # NaN where that is infinite


def _support(z, threshold):
    """Which entries are above the tau of them all, how many, and their mean.

    `threshold` gives the tau of a number of entries by that number, by the sum of the
    entries and by that of their squares.
    """
    ordered = -jnp.sort(-lax.stop_gradient(z))
    count = jnp.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    tau = threshold(count, ordered.cumsum(-1), jnp.square(ordered).cumsum(-1))
    least = jnp.where(ordered > tau, ordered, 0).min(-1, keepdims=True, initial=0)
    support = lax.stop_gradient(z) >= least
    size = support.sum(-1, keepdims=True, dtype=z.dtype)
    return support, size, jnp.where(support, z, 0).sum(-1, keepdims=True) / size


def _sparsemax_of(x):
    z = _below_top(x)
    support, size, mean = _support(z, lambda k, total, _: (total - 1) / k)
    return support, jnp.where(support, z - mean + 1 / size, z - z)


def _root_of_entmax15(x):
    z = _below_top(x / 2)
    support, size, mean = _support(z, _tau_of_entmax15)
    spread = jnp.where(support, jnp.square(z - mean), 0).sum(-1, keepdims=True)
    return jnp.where(support, z - mean + jnp.sqrt((1 - spread) / size), z - z)


def _tau_of_entmax15(k, total, squares):
    spread = squares - jnp.square(total) / k
    return total / k - jnp.sqrt(jnp.maximum(1 - spread, 0) / k)


def _sparsemax_forward(x):
    support, y = _sparsemax_of(wide(x))
    return y.astype(x.dtype), support


def _entmax15_forward(x):
    root = _root_of_entmax15(wide(x))
    return jnp.square(root).astype(x.dtype), root.astype(x.dtype)


def _backward(s, g):
    s = s.astype(wide(g).dtype)
    weights = s / s.sum(-1, keepdims=True)
    return (s * centered(wide(g), weights, -1),)


def _sparsemax_reference(x):
    """By the support that the definition gives: k entries with 1 + k x_k > sum x."""
    ordered = -jnp.sort(-wide(x))
    k = jnp.arange(1, x.shape[-1] + 1, dtype=ordered.dtype)
    size = (1 + k * ordered > ordered.cumsum(-1)).sum(-1, keepdims=True)
    tau = (jnp.where(k <= size, ordered, 0).sum(-1, keepdims=True) - 1) / size
    return jnp.where(wide(x) > tau, wide(x) - tau, 0).astype(x.dtype)


def _entmax15_reference(x):
    ordered = -jnp.sort(-wide(x) / 2)
    k = jnp.arange(1, x.shape[-1] + 1, dtype=ordered.dtype)
    mean = ordered.cumsum(-1) / k
    spread = (ordered**2).cumsum(-1) - k * mean**2
    inside = spread < 1
    tau = mean - jnp.sqrt(jnp.where(inside, (1 - spread) / k, 1))
    size = (inside & (ordered > tau)).sum(-1, keepdims=True)
    tau = jnp.where(k == size, tau, 0).sum(-1, keepdims=True)
    root = jnp.where(wide(x) / 2 > tau, wide(x) / 2 - tau, 0)
    return (root**2).astype(x.dtype)


def _cases(normal):
    for shape in [(5,), (3, 4), (2, 2, 3), (0, 3)]:
        yield (normal(*shape),)
    yield (0.1 * normal(3, 5),)  # everything in the support
    yield (jnp.array([[9.0, 1.0, -3.0], [0.3, 0.3, -5.0], [-2.0, -2.0, -2.0]]),)


_sparsemax = rule(_sparsemax_reference, _sparsemax_forward, _backward, cases=_cases)
_entmax15 = rule(_entmax15_reference, _entmax15_forward, _backward, cases=_cases)
