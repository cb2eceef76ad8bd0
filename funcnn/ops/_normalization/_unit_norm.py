"""Division by the Euclidean length."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import axes_of, floats, wide
from funcnn.ops._squares import Length, by_unit, length, length_without_branch, over
from funcnn.rules import rule


def unit_norm(x: jax.Array, axis: int | Sequence[int] = -1) -> jax.Array:
    """The unit vector x / ||x||, the Euclidean length being that over `axis`.

    Shapes: x of one or more axes -> the same.
    Dtypes: any float; computed in float32 or wider.
    Units:  none, whatever those of x.
    Errors: DtypeError unless x is of floats; ValueError for an axis that x does not
            have.

    Gradient. Let n = ||x||, y = x / n and g = dL/dy. As dn/dx_j = y_j,
        dy_i/dx_j = (delta_ij - y_i y_j) / n,     symmetric in i and j, so
        dx = (g - y (y . g)) / n:
    what of g points along x is taken out, for a length does not change y.
    Saved: x and n, as a power of two and the rest; y is made again.
    Kinks: at x = 0 there is no limit: y = 0 and dx = 0. No eps is needed, for where
    numbers are not of ordinary size, a power of two is taken out before: they neither
    overflow nor underflow, and any other x that the device does not flush to 0 has
    length 1.
    Source: Horn & Johnson, Matrix Analysis, chapter 5. PyTorch's `normalize` and
    Keras divide by max(||x||, 1e-12).
    """
    (x,) = floats("unit_norm", x=x)
    return _unit_norm(x, axes_of("unit_norm", x, axis))


def directions(x: jax.Array, axes: int | tuple[int, ...]) -> tuple[jax.Array, Length]:
    """The vector x / ||x|| in float32 or wider, 0 for x = 0; and the length."""
    x = wide(x)
    n = length_without_branch(x, axes)
    return over(x, n.unit) / n.divisor, n


def _reference(x, axes):
    square = (wide(x) ** 2).sum(axes, keepdims=True)
    length = jnp.sqrt(jnp.where(square == 0, 1, square))
    return jnp.where(square == 0, 0, wide(x) / length).astype(x.dtype)


def _forward(x, axes):
    n = length(x, axes=axes)
    y = by_unit(lambda x, unit, root: x / root, wide(x), n.unit, n.divisor)
    return y.astype(x.dtype), (x, n)


def _backward(axes, saved, g):
    x, n = saved
    y, g = over(wide(x), n.unit) * n.inverse, wide(g)
    return ((g - y * (y * g).sum(axes, keepdims=True)) * n.inverse * (1 / n.unit),)


def _cases(normal):
    for shape in [(5,), (4, 3), (2, 3, 5), (0, 3)]:
        yield normal(*shape), (len(shape) - 1,)
    yield normal(3, 4, 2), (1,)
    yield normal(2, 3, 4), (0, 2)
    yield 1e-3 * normal(3, 4), (0,)  # not ordinary


_unit_norm = rule(_reference, _forward, _backward, static="axes", cases=_cases)
