"""What the rules of this family share: exponentials, their sum, and centering."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import DtypeError, ShapeError


def exponents(
    x: jax.Array, axes: tuple[int, ...], where: jax.Array | None = None
) -> jax.Array:
    """The entries of x less the largest over `axes`, so that exp cannot overflow.

    Entries that are masked are -inf, and a row of these alone is nothing else.
    """
    if where is None:
        return x - lax.stop_gradient(x.max(axes, keepdims=True, initial=-jnp.inf))
    x = jnp.where(where, x, -jnp.inf)
    top = lax.stop_gradient(x.max(axes, keepdims=True, initial=-jnp.inf))
    # -inf minus -inf would be NaN. Only where there is such a row is the mask read.
    return x - lax.cond(
        jnp.isneginf(top).any(),
        lambda: jnp.where(where.any(axes, keepdims=True), top, 0),
        lambda: top,
    )


def rest_of(e: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """The sum of e less one of its largest entries, which are 1.

    Where the others are small no digit of them is lost. -1 for a row of zeros.

    From each entry its whole part is taken out, 1 for the largest and 0 for others, so
    that these parts can be summed alone. They are made without a comparison, which XLA
    on CPU would keep in memory on its way to a sum.
    """
    whole = jnp.floor(e)
    count = whole.sum(axes, keepdims=True)
    return (e - whole).sum(axes, keepdims=True) + (count - 1)


def centered(
    g: jax.Array, weights: jax.Array, axes: int | tuple[int, ...]
) -> jax.Array:
    """What is left of g less sum(g weights), for weights whose sum is 1.

    On CPU twice, for the second sum takes out what rounding left of the first: where
    one weight is nearly 1, its entry is then as exact as the small weights are. On a
    TPU or GPU once, for there each sum reads both arrays from memory.
    """

    def once(g: jax.Array, weights: jax.Array) -> jax.Array:
        return g - (g * weights).sum(axes, keepdims=True)

    def twice(g: jax.Array, weights: jax.Array) -> jax.Array:
        return once(once(g, weights), weights)

    return lax.platform_dependent(g, weights, cpu=twice, default=once)


def without_sum(g: jax.Array, p: jax.Array, axes: int | tuple[int, ...]) -> jax.Array:
    """What is left of g less p sum(g), for p whose sum is 1; as `centered`, twice."""

    def once(g: jax.Array, p: jax.Array) -> jax.Array:
        return g - p * g.sum(axes, keepdims=True)

    def twice(g: jax.Array, p: jax.Array) -> jax.Array:
        return once(once(g, p), p)

    return lax.platform_dependent(g, p, cpu=twice, default=once)


def mask_for(op: str, x: jax.Array, where: jax.Array | None) -> jax.Array | None:
    """`where` with as many axes as x, and as small as it was.

    Raises:
      DtypeError: unless it is of booleans.
      ShapeError: unless it broadcasts to the shape of x.
    """
    if where is None:
        return None
    where = jnp.asarray(where)
    if where.dtype != jnp.bool_:
        raise DtypeError(f"{op}: where must be of booleans, got {where.dtype}")
    shape = (1,) * (x.ndim - where.ndim) + where.shape
    if len(shape) > x.ndim or any(w not in (1, n) for w, n in zip(shape, x.shape)):
        raise ShapeError(f"{op}: where {where.shape} does not broadcast to x {x.shape}")
    return where.reshape(shape)
