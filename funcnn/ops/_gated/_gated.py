"""Gated linear units: one derivation for all of them.

Shapes: x with 2n entries at `axis`, first n values, then their n gates -> n entries
        there. So one product makes both, and x is all that is saved.
Dtypes: any float; computed in float32 or wider, so half precision is rounded once.
Errors: ShapeError when x has no such axis or an odd number of entries there.

Gradient. Let a be the values, b the gates and f the function of a gate; as y = a f(b),
    da = g f(b),     db = g a f'(b),     dx = [da, db],
with the f and the f' of `sigmoid`, `silu` and `gelu`, which keep their tails.

Platforms: on a TPU or GPU f is the plain function and f' XLA's derivative of it,
        without these tails, for which compilers there read the arrays once more.

The order is that of `jax.nn.glu` and of PyTorch's: values first. Llama's and T5's
``act(gate(x)) * up(x)`` is this with the kernels laid side by side as [up, gate].
"""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._pointwise import _exponential, _gelu
from funcnn.ops._pointwise._scaling import rounded
from funcnn.rules import rule


def glu(x: jax.Array, axis: int = -1) -> jax.Array:
    """Gated linear unit, a sigmoid(b) with [a, b] = x.

    Gradient: da = g s(b), db = g a s(b) s(-b), s the logistic function.
    Saved:    x.
    Source:   Dauphin, Fan, Auli & Grangier (2016), arXiv:1612.08083.
    """
    return _glu(*_checked("glu", x, axis))


def swiglu(x: jax.Array, axis: int = -1) -> jax.Array:
    """Gated by `silu`: a b s(b) with [a, b] = x, s the logistic function.

    Gradient: da = g b s(b), db = g a s(b) (1 + b s(-b)).
    Saved:    x.
    Source:   Shazeer (2020), arXiv:2002.05202.
    """
    return _swiglu(*_checked("swiglu", x, axis))


def geglu(x: jax.Array, axis: int = -1, *, approximate: bool = True) -> jax.Array:
    """Gated by `gelu`: a gelu(b) with [a, b] = x; `approximate` is that of `gelu`.

    Gradient: da = g gelu(b), db = g a gelu'(b).
    Saved:    x.
    Source:   Shazeer (2020), arXiv:2002.05202.
    """
    x, axis = _checked("geglu", x, axis)
    return _geglu_tanh(x, axis) if approximate else _geglu(x, axis)


def _checked(op, x, axis):
    (x,) = floats(op, x=x)
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"{op}: x {x.shape} has no axis {axis}")
    if x.shape[axis] % 2:
        raise ShapeError(
            f"{op}: x {x.shape} needs an even number of entries at axis {axis}: as "
            "many values as gates"
        )
    return x, axis % x.ndim


def _gated(name, plain, value, slope):
    """The rule of a f(b), f being `plain` and given by its value and its slope."""

    def reference(x, axis):
        a, b = jnp.split(x, 2, axis)
        return a * plain(b)

    def forward(x, axis):
        def with_tails(x):
            a, b = jnp.split(x, 2, axis)
            return rounded(value(b).times(a))

        y = lax.platform_dependent(
            wide(x), cpu=with_tails, default=lambda x: reference(x, axis)
        )
        return y.astype(x.dtype), x

    def backward(axis, x, g):
        def with_tails(x, g):
            # Nothing is shared with the forward pass: to keep it costs more than f.
            a, b = jnp.split(lax.optimization_barrier(x), 2, axis)
            da, db = (rounded(d) for d in (value(b).times(g), slope(b).times(g * a)))
            # `stack` is one loop, of which `concatenate` makes three, and two arrays.
            return jnp.stack([da, db], axis).reshape(x.shape)

        def derived(x, g):
            return jax.vjp(lambda x: reference(x, axis), x)[1](g)[0]

        x, g = wide(x), wide(g)
        return (lax.platform_dependent(x, g, cpu=with_tails, default=derived),)

    return rule(reference, forward, backward, static="axis", cases=_cases, name=name)


def _cases(normal):
    yield normal(6), 0
    yield normal(3, 2), 1
    yield normal(2, 1, 4), 0
    yield normal(0, 4), 1
    yield (
        jnp.array([[3.0, -1.0, 0.0, 2.0, 1.0, 5.0], [0.0, -0.0, 20, -20, 700, -700]]),
        0,
    )


_glu = _gated(
    "glu", lax.logistic, _exponential._sigmoid_value, _exponential._sigmoid_slope
)
_swiglu = _gated(
    "swiglu",
    _exponential._silu_reference,
    _exponential._silu_value,
    _exponential._silu_slope,
)
_geglu = _gated("geglu", _gelu._gelu_reference, _gelu._gelu_value, _gelu._gelu_slope)
_geglu_tanh = _gated(
    "geglu_tanh",
    _gelu._gelu_tanh_reference,
    _gelu._gelu_tanh_value,
    _gelu._gelu_tanh_slope,
)
