"""Reversible residual sequence, whose memory does not grow with its depth."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from funcnn._jax import scan
from funcnn.errors import ShapeError
from funcnn.ops._arguments import wide
from funcnn.ops._functions import (
    pullback,
    static_function,
    wide_floats,
    with_params,
    zeros_of_floats,
)
from funcnn.rules import rule

Function = Callable[[Any, jax.Array], jax.Array]


def reversible_sequence(
    f: Function, g: Function, params: Any, x1: jax.Array, x2: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Blocks y1 = x1 + f(p, x2), y2 = x2 + g(p, y1), one after the other.

    Block i has for p the entries i of the leaves of `params`. What f and g close over
    is the same for all of them, and its gradient comes too. Neither has to have an
    inverse: the backward pass recovers what went into a block by subtraction.

    Shapes: x1 and x2 of any shapes, f(p, x2) of that of x1, g(p, y1) of that of x2;
            leaves of params (n, ...) -> the shapes of x1 and of x2.
    Dtypes: the common float dtype of x1, x2 and the floats of params, which may have
            leaves of any dtypes but complex ones, such as a key for each block; f and
            g are called, and the sums are kept, in float32 or wider.
    Units:  f, g, x1 and x2 have the same.
    Errors: TypeError, ShapeError or DtypeError for an f or g that does not give one
            array of floats of the needed shape; ShapeError unless all leaves of params
            have one first axis.

    Gradient. From the outputs of a block follow its inputs,
        x2 = y2 - g(p, y1),     x1 = y1 - f(p, x2).
    Let a1, a2 be the cotangents of y1, y2, and F(c), G(c) the pullbacks of c through f
    at (p, x2) and g at (p, y1). y2 depends on y1 by g, so
        a1' = a1 + G^y1(a2),     dx1 = a1',     dx2 = a2 + F^x2(a1'),
        dp = F^p(a1') + G^p(a2),
    and dx1, dx2 are a1, a2 of the block before. dp of a block are the entries of
    dparams; of what is closed over they are summed.
    Saved: params and the outputs of the last block, in float32 or wider.
    What is recovered has the rounding errors of the way there and back. They are
    those of sums, of the order of n units in the last place of the largest x, unless
    the blocks themselves make small errors grow.
    Kinks: those of f and g.
    Source: Gomez, Ren, Urtasun & Grosse (2017), arXiv:1707.04585.
    """
    params, x1, x2 = with_params("reversible_sequence", params, x1=x1, x2=x2)
    if not _count(params):
        return x1, x2
    first = jax.tree.map(lambda leaf: leaf[0], params)
    f, of_f = static_function("reversible_sequence", f, first, x2, like=x1)
    g, of_g = static_function("reversible_sequence", g, first, x1, like=x2)
    f, g = _WithOwn(f, 0), _WithOwn(g, 1)
    return _reversible_sequence(f, g, params, (of_f, of_g), x1, x2)


def _count(params):
    shapes = {
        jax.tree_util.keystr(path): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    counts = {shape[:1] for shape in shapes.values()}
    if len(counts) != 1 or counts == {()}:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(
            "reversible_sequence: needs leaves of params with one first axis, the "
            f"number of blocks; got {given or 'none'}"
        )
    return counts.pop()[0]


@dataclasses.dataclass(frozen=True)
class _WithOwn:
    """A function of its own part of what both functions close over."""

    f: Function
    part: int

    def __call__(self, pair: Any, x: jax.Array) -> jax.Array:
        return self.f((pair[0], pair[1][self.part]), x)


def _reference(f, g, params, shared, x1, x2):
    def block(pair, p):
        x1, x2 = pair
        p = wide_floats((p, shared))
        y1 = x1 + f(p, x2).astype(x1.dtype)
        return (y1, x2 + g(p, y1).astype(x2.dtype)), None

    outputs, _ = scan(block, (wide(x1), wide(x2)), params)
    return jax.tree.map(lambda y: y.astype(x1.dtype), outputs)


def _forward(f, g, params, shared, x1, x2):
    outputs = _reference(f, g, params, shared, wide(x1), wide(x2))
    narrow = jax.tree.map(lambda y: y.astype(x1.dtype), outputs)
    return narrow, (params, shared, outputs)


def _backward(f, g, saved, cotangents):
    params, shared, outputs = saved

    def block(carry, p):
        (y1, y2), (a1, a2), dshared = carry
        wide_p = wide_floats((p, shared))
        g_y1, of_g = pullback(g, wide_p, y1)
        x2 = y2 - g_y1.astype(y2.dtype)
        f_x2, of_f = pullback(f, wide_p, x2)
        x1 = y1 - f_x2.astype(y1.dtype)
        (dp_g, dshared_g), da1 = of_g(a2.astype(g_y1.dtype))
        a1 = a1 + da1
        (dp_f, dshared_f), da2 = of_f(a1.astype(f_x2.dtype))
        dp = _in_dtypes_of(p, _sum(dp_f, dp_g))
        dshared = _sum(dshared, _sum(dshared_f, dshared_g))
        return ((x1, x2), (a1, a2 + da2), dshared), dp

    start = outputs, wide_floats(cotangents), zeros_of_floats(shared)
    (_, (dx1, dx2), dshared), dparams = scan(block, start, params, reverse=True)
    return dparams, dshared, dx1, dx2


def _sum(a, b):
    return jax.tree.map(jnp.add, a, b)


def _in_dtypes_of(params, cotangents):
    """So that those of all blocks take no more memory than the parameters do."""
    return jax.tree.map(
        lambda c, leaf: None if c is None else c.astype(leaf.dtype),
        cotangents,
        params,
        is_leaf=lambda c: c is None,
    )


def _left(pair, x):
    p, shared = pair
    return jnp.sin(x @ p[:2] + shared)


def _right(pair, x):
    p, shared = pair
    return jnp.sin(x @ p[2:].T) * jnp.sin(shared).mean()


def _cases(normal):
    yield _left, _right, normal(2, 4, 3), normal(3), normal(3), normal(2)
    yield _left, _right, normal(1, 4, 3), normal(3), normal(2, 3), normal(2, 2)
    yield _left, _right, normal(2, 4, 3), normal(3), normal(0, 3), normal(0, 2)


_reversible_sequence = rule(
    _reference, _forward, _backward, static=["f", "g"], cases=_cases
)
