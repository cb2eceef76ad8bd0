"""Division by the Euclidean length."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import axes_of, floats, wide
from funcnn.ops._squares import are_ordinary
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
    Saved: x and 1 / n, which is 0 for 0; y is made again.
    Kinks: at x = 0 there is no limit: y = 0 and dx = 0. No eps is needed, for where
    some sum of squares is not of ordinary size, the largest |x_i| is taken out before:
    they neither overflow nor underflow, and any other x that the device does not flush
    to 0 has length 1.
    Source: Horn & Johnson, Matrix Analysis, chapter 5. PyTorch's `normalize` and
    Keras divide by max(||x||, 1e-12).
    """
    (x,) = floats("unit_norm", x=x)
    return _unit_norm(x, axes_of("unit_norm", x, axis))


def directions(
    x: jax.Array, axes: int | tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
    """The vector x / ||x|| and ||x||, in float32 or wider: 0 and infinity for x = 0."""
    x = wide(x)
    size, square = _size_and_square(x, axes)
    length = jnp.sqrt(_or_1(square))
    return x / size / length, jnp.where(square == 0, jnp.inf, size * length)


def _size_and_square(x, axes):
    """What to divide x by, and the sum of squares of what that gives; 1 and 0 for 0."""
    largest = lax.stop_gradient(jnp.abs(x).max(axes, keepdims=True, initial=0))
    # at most a 256th of the largest number, whose inverse a device flushes to 0
    most = jnp.finfo(x.dtype).max / 256
    size = jnp.where(largest == 0, 1, jnp.minimum(largest, most))
    return size, jnp.square(x / size).sum(axes, keepdims=True)


def _or_1(square):
    """Not 0, of whose root the slope is infinite."""
    return jnp.where(square == 0, 1, square)


def _ordinary(x, square):
    """X / n and 1 / n."""
    length = jnp.sqrt(_or_1(square))
    return x / length, 1 / length


def _scaled(x, axes):
    size, square = _size_and_square(x, axes)
    inverse = 1 / jnp.sqrt(_or_1(square))  # 1 for a single entry, whose y is exact
    return x / size * inverse, jnp.where(square == 0, 0, inverse / size)


def _reference(x, axes):
    square = (wide(x) ** 2).sum(axes, keepdims=True)
    length = jnp.sqrt(jnp.where(square == 0, 1, square))
    return jnp.where(square == 0, 0, wide(x) / length).astype(x.dtype)


_SHORT = 2.0**-44  # lengths below a 256th count as short, so that a case can be


def _forward(x, axes):
    w = wide(x)
    square = jnp.square(w).sum(axes, keepdims=True)
    y, inverse = lax.cond(
        are_ordinary(square * _SHORT),
        lambda w, square: _ordinary(w, square),
        lambda w, square: _scaled(w, axes),
        w,
        square,
    )
    return y.astype(x.dtype), (x, inverse)


def _backward(axes, saved, g):
    x, inverse = saved
    y, g = wide(x) * inverse, wide(g)
    return ((g - y * (y * g).sum(axes, keepdims=True)) * inverse,)


def _cases(normal):
    for shape in [(5,), (4, 3), (2, 3, 5), (0, 3)]:
        yield normal(*shape), (len(shape) - 1,)
    yield normal(3, 4, 2), (1,)
    yield normal(2, 3, 4), (0, 2)
    yield 1e-3 * normal(3, 4), (0,)  # not ordinary


_unit_norm = rule(_reference, _forward, _backward, static="axes", cases=_cases)
