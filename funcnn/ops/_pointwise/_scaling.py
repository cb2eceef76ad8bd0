"""Numbers too small for the floating-point unit: a float and a power of two.

XLA computes with subnormal numbers (below 1.2e-38 in float32 and bfloat16) as if
they were 0, on CPU and TPU: read, they are 0, and where they should come out, 0 comes
out. They survive where they are moved or handled as integers. So what may be
subnormal is computed 2^64 times too large, and brought down once, at the end, by
`down`. This, and reading them, is a primitive of its own, because its integers have no
derivative, but what they compute has. In float64 it is one multiplication.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching, mlir

STEPS = 64  # of the exponent: from the least float32 to numbers that square
UP, HALF_UP = 2.0**STEPS, 2.0 ** (STEPS // 2)
SMALL = 2.0**-100  # from here on what is linear near 0 is its tangent
TINY = 2.0**-125  # twice the least normal number: its half is the first that flushes
TAIL = 85.0  # exp(-TAIL) is normal in float32, and UP exp(-TAIL) + 1 = 1
SHIFT = STEPS * math.log(2)  # exp(x + SHIFT) = UP exp(x)
_SIGN, _LEAST_NORMAL = np.int32(-(2**31)), np.int32(2**23)


class Scaled(NamedTuple):
    """UP^-1 `number` where `low`, else `number`; where low, number is below 1."""

    number: Any
    low: Any

    def times(self, factor: Any) -> "Scaled":
        """The product with an ordinary factor."""
        return Scaled(self.number * factor, self.low)


def rounded(x: "jax.Array | Scaled") -> jax.Array:
    """The nearest float, which may be subnormal."""
    return jnp.where(x.low, down(x.number), x.number) if isinstance(x, Scaled) else x


def as_scaled(x: jax.Array) -> Scaled:
    """`x`, which may be subnormal, for a product."""
    low = jnp.abs(x) < SMALL
    return Scaled(jnp.where(low, up(x), x), low)


def exp(x: jax.Array, low: jax.Array) -> jax.Array:
    """The exponential function, 2^64 times too large where `low`."""
    return jnp.exp(jnp.where(low, SHIFT, 0) + x)


def up(x: jax.Array) -> jax.Array:
    """2^64 x."""
    return _scale().bind(x, steps=STEPS)


def down(x: jax.Array) -> jax.Array:
    """2^-64 x."""
    return _scale().bind(x, steps=-STEPS)


def half_of_tiny(x: jax.Array) -> jax.Array:
    """Half of x where |x| < TINY; elsewhere it is not asked for."""
    return _scale().bind(x, steps=-1)


def _scaled(x, *, steps):
    if x.dtype == jnp.float64:
        return x * 2.0**steps
    return {STEPS: _up, -STEPS: _down, -1: _half}[steps](x)


def _up(x):
    bits = _bits(x)
    size = bits & ~_SIGN
    # of a subnormal number the bits are how many times it is the least one
    lifted = _bits(size.astype(jnp.float32) * 2.0 ** (STEPS - 149))
    return jnp.where(size < _LEAST_NORMAL, _float(lifted | bits & _SIGN), x * UP)


def _down(x):
    # Added to `unit`, of its sign, a number is rounded to a multiple of the least
    # float, lifted; and the last bits count them. Where the product is not flushed the
    # count is too low, and otherwise 0: the larger is right, of bits with either sign.
    unit = _bits(np.float32(2.0 ** (STEPS - 126)))
    count = _bits(x + _float(_bits(x) & _SIGN | unit)) - unit
    return _float(lax.max(count, _bits(x * 2.0**-STEPS)))


def _half(x):
    # the sign, shifted, has become two bits, of which one is the exponent's highest
    return _float(_bits(x) >> 1 & np.int32(~(1 << 30)))


def _bits(x):
    return lax.bitcast_convert_type(x, jnp.int32)


def _float(bits):
    return lax.bitcast_convert_type(bits, jnp.float32)


def _tangent(tangent, x, *, steps):
    """Of `down` exact too: by it cotangents of ordinary size are brought down."""
    if abs(steps) == STEPS:
        return _scale().bind(tangent, steps=steps)
    return tangent * 2.0**steps


@functools.cache
def _scale() -> Any:
    """The primitive, made when it is first used: jax.extend costs 20 ms to import."""
    from jax.extend.core import Primitive

    scale = Primitive("scale_exponent")
    scale.def_impl(functools.partial(jax.jit, static_argnames="steps")(_scaled))
    scale.def_abstract_eval(lambda x, *, steps: x.update(weak_type=False))
    mlir.register_lowering(scale, mlir.lower_fun(_scaled, multiple_results=False))
    batching.defvectorized(scale)
    ad.deflinear2(scale, lambda ct, x, *, steps: [_tangent(ct, x, steps=steps)])
    ad.defjvp(scale, _tangent)
    return scale
