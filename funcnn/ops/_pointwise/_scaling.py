"""Numbers too small for the floating-point unit: a float and a power of two.

XLA computes with subnormal numbers (below 1.2e-38 in float32 and bfloat16) as if
they were 0, on CPU and TPU: read, they are 0, and where they should come out, 0 comes
out. They survive where they are moved or handled as integers. So what may be
subnormal is computed 2^64 times too large, and brought down once, at the end, by
`scale`: a primitive of its own, because its integers have no derivative but what they
compute has, and is linear. In float64 it is one multiplication.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching, mlir

STEPS = 64  # of the exponent: from the least float32 to numbers that square
UP = 2.0**STEPS
SMALL = 2.0**-100  # from here on what is linear near 0 is its tangent
TAIL = 85.0  # exp(-TAIL) is normal in float32, and UP exp(-TAIL) + 1 = 1
_SIGN, _LEAST_NORMAL = np.int32(-(2**31)), np.int32(2**23)


class Scaled(NamedTuple):
    """UP^-1 `number` where `low`, else `number`; where low, number is below 1."""

    number: Any
    low: Any

    def times(self, factor: jax.Array) -> "Scaled":
        """The product with an ordinary factor."""
        return Scaled(self.number * factor, self.low)


def rounded(x: "jax.Array | Scaled", dtype: Any) -> jax.Array:
    """The nearest number of `dtype`, which may be subnormal."""
    if not isinstance(x, Scaled):
        return x.astype(dtype)
    return jnp.where(x.low, down(x.number, dtype), x.number.astype(dtype))


def as_scaled(x: jax.Array) -> Scaled:
    """`x`, which may be subnormal, for a product."""
    low = jnp.abs(x) < SMALL
    return Scaled(jnp.where(low, up(x), x), low)


def up(x: jax.Array) -> jax.Array:
    """2^64 x."""
    return scale(x, STEPS, x.dtype)


def down(x: jax.Array, dtype: Any) -> jax.Array:
    """2^-64 x in another dtype."""
    return scale(x, -STEPS, dtype)


def half(x: jax.Array) -> jax.Array:
    """Half of x."""
    return scale(x, -1, x.dtype)


def exp(x: jax.Array, low: jax.Array) -> jax.Array:
    """The exponential function, 2^64 times too large where `low`."""
    return jnp.exp(jnp.where(low, STEPS * math.log(2), 0) + x)


def e_of(x: jax.Array, low: jax.Array) -> tuple[jax.Array, jax.Array]:
    """exp(-|x|), 2^64 times that where `low`, and whether x < 0.

    At 0 both are those for x > 0, and so are their derivatives.
    """
    below = x < 0
    return exp(jnp.where(below, x, -x), low), below


def logistic(x: jax.Array) -> tuple[Scaled, jax.Array]:
    """s(x) = 1 / (1 + exp(-x)) with its tail, and s(-x) without."""
    low = x < -TAIL
    e, below = e_of(x, low)
    share = 1 / (1 + e)
    return Scaled(jnp.where(below, e, 1) * share, low), jnp.where(below, 1, e) * share


def scale(x: jax.Array, steps: int, dtype: Any) -> jax.Array:
    """2^steps x, with steps 64, -64 or -1.

    From `x.dtype` to `dtype`, both at most float32 or both float64. Linear: its
    transpose goes back by the same steps of the exponent.
    """
    return _scale.bind(x, steps=steps, dtype=jnp.dtype(dtype))


def _scaled(x, *, steps, dtype):
    if x.dtype == jnp.float64:
        return x * 2.0**steps
    if steps > 0:
        return _up(x.astype(jnp.float32)).astype(dtype)
    return _half(x) if steps == -1 else _down(x.astype(jnp.float32), dtype)


def _up(x):
    bits = _bits(x)
    size = bits & ~_SIGN
    # of a subnormal number the bits are how many times it is the least one
    lifted = _float(
        _bits(size.astype(jnp.float32) * 2.0 ** (STEPS - 149)) | bits & _SIGN
    )
    return jnp.where(size < _LEAST_NORMAL, lifted, x * UP)


def _down(x, dtype):
    normal = (x * 2.0**-STEPS).astype(dtype)
    if dtype == jnp.float16:  # all its numbers are normal in float32
        return normal
    size = jnp.abs(x)
    # Adding `unit` rounds to a multiple of 2^-23 unit, and its last bits count them.
    unit = np.float32(2.0 ** (STEPS - 103 - jnp.finfo(dtype).nmant))
    count, sign = _bits(size + unit) - _bits(unit), _bits(x) & _SIGN
    if dtype == jnp.bfloat16:
        short = (count | sign >> 16).astype(jnp.int16)
        subnormal = lax.bitcast_convert_type(short, dtype)
    else:
        subnormal = _float(count | sign)
    return jnp.where(size < 2.0 ** (STEPS - 126), subnormal, normal)


def _half(x):
    bits = lax.bitcast_convert_type(x, _INTEGERS[x.dtype.itemsize])
    sign = bits & jnp.iinfo(bits.dtype).min
    subnormal = lax.bitcast_convert_type((bits ^ sign) >> 1 | sign, x.dtype)
    return jnp.where(jnp.abs(x) < 2 * float(jnp.finfo(x.dtype).tiny), subnormal, x / 2)


_INTEGERS = {2: jnp.int16, 4: jnp.int32}


def _bits(x):
    return lax.bitcast_convert_type(x, jnp.int32)


def _float(bits):
    return lax.bitcast_convert_type(bits, jnp.float32)


def _transposed(cotangent, x, *, steps, dtype):
    return [_scale.bind(cotangent, steps=steps, dtype=x.aval.dtype)]


_scale = jex.core.Primitive("scale_exponent")
_scale.def_impl(functools.partial(jax.jit, static_argnames=("steps", "dtype"))(_scaled))
_scale.def_abstract_eval(
    lambda x, *, steps, dtype: x.update(dtype=dtype, weak_type=False)
)
mlir.register_lowering(_scale, mlir.lower_fun(_scaled, multiple_results=False))
batching.defvectorized(_scale)
ad.deflinear2(_scale, _transposed)
