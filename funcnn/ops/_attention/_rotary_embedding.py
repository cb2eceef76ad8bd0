"""Rotary position embedding."""

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.errors import DtypeError, ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def rotary_embedding(
    x: jax.Array,
    positions: jax.Array,
    *,
    base: float = 10000.0,
    dims: int | None = None,
    interleaved: bool = False,
) -> jax.Array:
    """Turns pairs of features by angles in proportion to the position.

    So the product of a query and a key, both turned, depends on their distance alone.

    Shapes: x (..., t, n, h), positions that broadcast to (..., t) -> (..., t, n, h).
    Dtypes: x of any float, computed in float32 or wider; positions of any integers.
    Options: the first `dims` features are turned, an even number, by default all; the
            rest stays. Pair number i, of d = dims / 2, turns by position base^(-i/d)
            radians. It is features i and d + i, as in GPT-NeoX and in most models
            since; if `interleaved` 2 i and 2 i + 1, as in the paper and in GPT-J.
    Units:  positions count tokens; they may be negative.
    Errors: DtypeError and ShapeError for what does not fit; ValueError for `dims`.

    Gradient. A pair (a, b) becomes (a cos - b sin, b cos + a sin). That is linear, and
    its matrix's transpose is the turn by the opposite angle, so with cotangents (g, h)
        da = g cos + h sin,   db = h cos - g sin.
    Saved: the positions; sines and cosines are made again.
    Kinks: none.
    Digits: angles are counted in 2^-32 turns (2^-64 in float64) by integers, which drop
    whole turns exactly. So an angle is off by at most 2^-23 + 2^-30 position radians;
    the product in float32 would be by up to 2^-24 position, or more.
    Source: Su, Lu, Pan, Murtadha, Wen & Liu (2021), arXiv:2104.09864.
    """
    (x,) = floats("rotary_embedding", x=x)
    positions = jnp.asarray(positions)
    if not jnp.issubdtype(positions.dtype, jnp.integer):
        raise DtypeError(
            f"rotary_embedding: positions must be integers, got {positions.dtype}"
        )
    if x.ndim < 3 or not _broadcasts(positions.shape, x.shape[:-2]):
        raise ShapeError(
            "rotary_embedding: needs x (..., t, n, h) and positions that broadcast to "
            f"(..., t), got x {x.shape} and positions {positions.shape}"
        )
    dims = x.shape[-1] if dims is None else int(dims)
    if dims % 2 or not 0 <= dims <= x.shape[-1]:
        raise ValueError(
            "rotary_embedding: dims must be an even number, at most that of the "
            f"features, got {dims} for x {x.shape}"
        )
    return _rotary_embedding(x, positions, float(base), dims, bool(interleaved))


def _broadcasts(shape, to):
    ends = zip(reversed(shape), reversed(to))
    return len(shape) <= len(to) and all(n in (1, m) for n, m in ends)


def _reference(x, positions, base, dims, interleaved):
    angles = _angles(positions, base, dims // 2, wide(x).dtype)
    return _turned(x, angles, interleaved)


def _forward(x, positions, base, dims, interleaved):
    return _reference(x, positions, base, dims, interleaved), positions


def _backward(base, dims, interleaved, positions, g):
    angles = _angles(positions, base, dims // 2, wide(g).dtype)
    return _turned(g, -angles, interleaved), None


def _angles(positions, base, pairs, dtype):
    """(..., t, 1, pairs), from -pi to pi."""
    bits = jnp.finfo(dtype).bits
    whole = 2.0**bits
    each = base ** (-np.arange(pairs) / max(1, pairs)) / (2 * np.pi)
    each = np.round(each % 1 * whole) % whole
    turns = positions[..., None, None].astype(f"uint{bits}") * each.astype(
        f"uint{bits}"
    )
    return turns.astype(f"int{bits}").astype(dtype) * (2 * np.pi / whole)


def _turned(x, angles, interleaved):
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    pairs = angles.shape[-1]
    one, other = slice(0, pairs), slice(pairs, 2 * pairs)
    if interleaved:
        one, other = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
    a, b, rest = wide(x[..., one]), wide(x[..., other]), x[..., 2 * pairs :]
    turned = a * cos - b * sin, b * cos + a * sin
    if interleaved:
        together = jnp.stack(turned, -1).reshape(*x.shape[:-1], 2 * pairs)
    else:
        together = jnp.concatenate(turned, -1)
    return jnp.concatenate([together.astype(x.dtype), rest], -1)


def _cases(normal):
    yield normal(2, 3, 2, 4), jnp.arange(3), 10.0, 4, False
    yield normal(2, 2, 1, 5), jnp.array([[5, -2], [7, 7]]), 1e4, 4, True
    yield normal(3, 1, 3), jnp.array([100]), 1e4, 2, False
    yield normal(0, 3, 1, 2), jnp.arange(3), 1e4, 2, False


_rotary_embedding = rule(
    _reference,
    _forward,
    _backward,
    static=("base", "dims", "interleaved"),
    cases=_cases,
)
