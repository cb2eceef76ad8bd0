"""The rectifier whose slope for x < 0 is learned."""

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, leading_axes, wide
from funcnn.ops._platforms import made_again
from funcnn.ops._pointwise._scaling import as_scaled, rounded, up
from funcnn.rules import rule


def prelu(x: jax.Array, slope: jax.Array) -> jax.Array:
    """X for x > 0, else slope x, with a slope that is trained.

    Shapes: x of any shape with slope (), one for all, or x (..., c) with slope (c,),
            one per channel -> that of x.
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Errors: ShapeError unless slope is () or (c,).

    Gradient: dx = g for x > 0, else g slope; as dy/dslope = x for x <= 0, else 0,
              dslope = sum of g min(x, 0) over all that a slope is shared by.
    Saved:    x and slope.
    Kinks:    at 0 the value is 0 and the derivative by x is slope, as in Flax's and
              PyTorch's PReLU; that by slope is 0.
    Source:   He, Zhang, Ren & Sun (2015), arXiv:1502.01852, which starts at 0.25.
    """
    x, slope = floats("prelu", x=x, slope=slope)
    if slope.shape and slope.shape != x.shape[-1:]:
        raise ShapeError(
            f"prelu: x {x.shape} needs a slope of shape () or {x.shape[-1:]}, "
            f"got {slope.shape}"
        )
    return _prelu(x, slope)


def _reference(x, slope):
    return jnp.where(x > 0, x, slope * x)


def _forward(x, slope):
    below = rounded(as_scaled(wide(x)).times(wide(slope))).astype(x.dtype)
    return jnp.where(up(wide(x)) > 0, x, below), (x, slope)


def _backward(saved, g):
    x, slope = saved
    g, positive = wide(g), up(wide(x)) > 0
    shared = leading_axes(x) if slope.shape else None
    below = jnp.where(positive, 0, g)
    dslope = (below * wide(x)).sum(shared)
    below, dslope = made_again((below, dslope))
    return jnp.where(positive, g, 0) + below * wide(slope), dslope


def _cases(normal):
    yield normal(), normal()
    yield normal(3, 5), normal()
    yield normal(2, 1, 3), normal(3)
    yield normal(5), normal(5)
    yield normal(4, 1), normal(1)
    yield jnp.array([[0.0, -0.0, 20.0, -20.0]]), jnp.array([0.25, 0.25, 0.25, 0.0])


_prelu = rule(_reference, _forward, _backward, cases=_cases)
