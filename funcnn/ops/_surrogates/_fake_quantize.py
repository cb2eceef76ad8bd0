"""Numbers of few bits, with a step size that is learned."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def fake_quantize(
    x: jax.Array,
    step: jax.Array,
    *,
    bits: int = 8,
    signed: bool = True,
    gradient_scale: float = 1.0,
) -> jax.Array:
    """The multiples of `step` that are nearest to `x`, of those that `bits` count.

    The multiples are -2^(bits-1) to 2^(bits-1) - 1, or without `signed` 0 to
    2^bits - 1; what is beyond goes to the end, and of two that are as near the even
    one is taken. The result is of a float dtype: training sees what a net of
    integers will compute.

    Shapes: x (..., n), step () or (n,), for steps of their own -> the shape of x.
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  `step` has those of x, and must be positive: 0 gives NaN.
    Errors: ShapeError unless step is () or (n,); ValueError unless bits is a whole
            number from 1 to 16; TypeError unless both are floats.

    Gradient. The rounding's own derivative is 0 nearly everywhere, so the rule
    declares another (`surrogate`): rounding counts as the identity. With v = x / s,
    the ends l and h, k = round(clip(v, l, h)), y = s k and dk/dv = 1 for l < v < h,
    else 0,
        dx = g dk/dv,
        ds = gradient_scale * sum g (k + s dk/dv dv/ds),   where s dv/ds = -v:
        ds = gradient_scale * sum g (k - v)  inside,  g k  at the ends and beyond.
    A step of one number is summed over all of x, one of (n,) over the leading axes.
    `gradient_scale` is LSQ's: the paper takes 1 / sqrt(h N) with the number N of
    weights, or of features of one example, that share the step.
    Saved: x and step.
    Kinks: at v = l and v = h, dx = 0, as in the paper; at ties of the rounding the
    declared derivative has none. NaN gives NaN, and a step a gradient of NaN.
    Source: Esser et al. (2020), "Learned step size quantization", arXiv:1902.08153.
    """
    x, step = floats("fake_quantize", x=x, step=step)
    if step.shape not in ((), x.shape[-1:]):
        raise ShapeError(
            f"fake_quantize: x {x.shape} needs step of shape () or {x.shape[-1:]}, "
            f"got {step.shape}"
        )
    return _fake_quantize(x, step, *_ends(bits, signed), float(gradient_scale))


def _ends(bits, signed):
    if bits != int(bits) or not 1 <= bits <= 16:
        raise ValueError(f"fake_quantize: bits must be from 1 to 16, got {bits}")
    bits = int(bits)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _reference(x, step, low, high, gradient_scale):
    return jnp.round(jnp.clip(x / step, low, high)) * step


def _surrogate(x, step, low, high, gradient_scale):
    held = lax.stop_gradient(step)
    step = held + gradient_scale * (step - held)
    v = x / step
    moved = jnp.where((v > low) & (v < high), v, lax.stop_gradient(v))
    whole = lax.stop_gradient(jnp.round(jnp.clip(v, low, high)))
    return (whole + (moved - lax.stop_gradient(moved))) * step


def _forward(x, step, low, high, gradient_scale):
    whole = jnp.round(jnp.clip(wide(x) / wide(step), low, high))
    return (whole * wide(step)).astype(x.dtype), (x, step)


def _backward(low, high, gradient_scale, saved, g):
    x, step = saved
    g, v = wide(g), wide(x) / wide(step)
    inside = (v > low) & (v < high)
    whole = jnp.round(jnp.clip(v, low, high))
    # Rounding counts as the identity in a second derivative too: whole - v is fixed.
    slope = lax.stop_gradient(jnp.where(inside, whole - v, whole))
    shared = tuple(range(g.ndim - step.ndim))
    return jnp.where(inside, g, 0), gradient_scale * (g * slope).sum(shared)


def _cases(normal):
    yield 2 * normal(), jnp.array(0.3), -2, 1, 1.0
    yield 2 * normal(3, 4), jnp.array(0.7), -4, 3, 0.5
    yield 2 * normal(2, 2, 3), jnp.array([0.3, 0.5, 1.2]), 0, 3, 1.0
    ends = jnp.array([-2.5, -2.0, -0.25, 0.0, 0.25, 0.75, 1.5, 2.0])  # and ties
    yield ends, jnp.array(0.5), -4, 3, 1.0
    yield ends, jnp.array(0.5), 0, 3, 2.0
    yield normal(0, 3), jnp.array([0.3, 0.5, 1.2]), -2, 1, 1.0


_fake_quantize = rule(
    _reference,
    _forward,
    _backward,
    static=["low", "high", "gradient_scale"],
    cases=_cases,
    surrogate=_surrogate,
)
