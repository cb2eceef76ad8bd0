"""Division by the Euclidean length."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import axes_of, floats, wide
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
    Saved: x and the lengths, infinite for 0; y is made again.
    Kinks: at x = 0 there is no limit: y = 0 and dx = 0. No eps is needed, for
    the largest |x_i| is taken out before squares are summed: they neither overflow
    nor underflow, and any other x that the device does not flush to 0 has length 1.
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
    largest = lax.stop_gradient(jnp.abs(x).max(axes, keepdims=True, initial=0))
    empty = largest == 0
    # at most a 256th of the largest number, whose inverse a device flushes to 0
    size = jnp.where(empty, 1, jnp.minimum(largest, jnp.finfo(x.dtype).max / 256))
    scaled = x / size
    square = jnp.square(scaled).sum(axes, keepdims=True)
    # not the root of 0, whose slope is infinite
    length = jnp.sqrt(jnp.where(empty, 1, square))
    return scaled / length, jnp.where(empty, jnp.inf, size * length)


def _reference(x, axes):
    square = (wide(x) ** 2).sum(axes, keepdims=True)
    length = jnp.sqrt(jnp.where(square == 0, 1, square))
    return jnp.where(square == 0, 0, wide(x) / length).astype(x.dtype)


def _forward(x, axes):
    y, length = directions(x, axes)
    return y.astype(x.dtype), (x, length)


def _backward(axes, saved, g):
    x, length = saved
    y, g = wide(x) / length, wide(g)
    return ((g - y * (y * g).sum(axes, keepdims=True)) / length,)


def _cases(normal):
    for shape in [(5,), (4, 3), (2, 3, 5), (0, 3)]:
        yield normal(*shape), (len(shape) - 1,)
    yield normal(3, 4, 2), (1,)
    yield normal(2, 3, 4), (0, 2)
    yield 1e-3 * normal(3, 4), (0,)


_unit_norm = rule(_reference, _forward, _backward, static="axes", cases=_cases)
