"""Lengths of vectors of numbers of any size, whose squares may not be floats.

On CPU the squares are summed as they are, and only where a sum has overflowed, or has
lost terms that count, once more. On a TPU or GPU the reading of memory is the cost and
arithmetic is free: the squares of small, ordinary and large numbers are summed apart,
each at a scale of its own, in one reading and without a branch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import wide
from funcnn.ops._pointwise._scaling import STEPS, down, up


class Length(NamedTuple):
    """`unit` times `root`, the unit a power of two and 1 for ordinary numbers."""

    root: jax.Array
    unit: jax.Array

    @property
    def value(self) -> jax.Array:
        """The nearest float, which may be subnormal or infinite."""
        rest = 2.0 ** (STEPS - _steps(self.root)[1])
        low = down(self.root * rest)
        return jnp.where(self.unit < 1, low, self.root * self.unit)

    @property
    def divisor(self) -> jax.Array:
        """The root, or 1 where it is 0."""
        return jnp.where(self.root == 0, 1, self.root)

    @property
    def inverse(self) -> jax.Array:
        """Of the root; 0 where that is 0."""
        return jnp.where(self.root == 0, 0, 1 / self.divisor)


def length(
    *arrays: jax.Array,
    axes: int | tuple[int, ...],
    least: float = 0.0,
    of: Callable[..., jax.Array] = wide,
) -> Length:
    """Of what `of` makes of the arrays, over axes that are kept, and of `least`.

    On CPU with a branch; what is made of the arrays then goes into `by_unit`.
    """

    def in_one(*arrays):
        return _at_three_scales(of(*arrays), axes, least)

    def branching(*arrays):
        square = jnp.square(of(*arrays)).sum(axes, keepdims=True) + least * least
        return lax.cond(
            _are_ordinary(square),
            lambda square, *arrays: Length(_root(square), jnp.ones_like(square)),
            lambda square, *arrays: _by_largest(of(*arrays), axes, least),
            square,
            *arrays,
        )

    return lax.platform_dependent(*arrays, cpu=branching, default=in_one)


def by_unit(
    f: Callable[..., Any], x: jax.Array, unit: jax.Array, *others: jax.Array
) -> Any:
    """F(x / unit, unit, *others), where subnormal entries of x have their digits."""

    def divided(x, unit, *others):
        return f(_divided(x, unit), unit, *others)

    def branching(*args):
        return lax.cond(jnp.all(args[1] == 1), f, divided, *args)

    return lax.platform_dependent(x, unit, *others, cpu=branching, default=divided)


def length_without_branch(x: jax.Array, axes: int | tuple[int, ...]) -> Length:
    """The length where a branch would cost more than that x is read twice on CPU.

    There subnormal numbers are 0, as in `over`, into which x goes then.
    """

    def by_power(x):
        unit = _power_near(_largest(x, axes))
        return Length(_root(jnp.square(x / unit).sum(axes, keepdims=True)), unit)

    return lax.platform_dependent(
        x, cpu=by_power, default=lambda x: _at_three_scales(x, axes, 0.0)
    )


def over(x: jax.Array, unit: jax.Array) -> jax.Array:
    """X / unit, without a branch on CPU."""
    return lax.platform_dependent(x, unit, cpu=jnp.divide, default=_divided)


def _divided(x, unit):
    lift = 2.0 ** (_steps(x)[1] - STEPS)
    return jnp.where(unit < 1, up(x) * lift, x * (1 / unit))


def _are_ordinary(squares):
    """Whether no sum of squares has overflowed, or has lost terms that count."""
    largest = float(jnp.finfo(squares.dtype).max)
    return jnp.all((squares > 2.0**-60) & (squares < largest))


def _root(square):
    """The root, without an infinite derivative at 0."""
    return jnp.where(square == 0, 0, jnp.sqrt(jnp.where(square == 0, 1, square)))


def _steps(x):
    """Of the exponent, to the bounds of ordinary numbers and of a change of scale.

    Ordinary numbers can be squared, and any others 2^k times larger or smaller, also
    the least subnormal one and sums of very many.
    """
    exponents = jnp.finfo(x.dtype).maxexp
    return exponents // 3, -(-2 * exponents // 3)


def _largest(x, axes, least=0.0):
    return jnp.abs(lax.stop_gradient(x)).max(axes, keepdims=True, initial=least)


def _power_near(size):
    """A power of two near it, which has an inverse."""
    info = jnp.finfo(size.dtype)
    power = lax.reduce_precision(size, info.nexp, 0)  # no digit but the first
    return jnp.clip(power, float(info.tiny), 2.0 ** (info.maxexp - 3))


def _by_largest(x, axes, least):
    """The length, by a scale for the largest number."""
    bound, k = _steps(x)
    largest = _largest(x, axes, least)
    high_or_1 = jnp.where(largest > 2.0**bound, 2.0**k, 1.0)
    unit = jnp.where(largest < 2.0**-bound, 2.0**-k, high_or_1).astype(x.dtype)
    square = jnp.square(_divided(x, unit)).sum(axes, keepdims=True)
    return Length(_root(square + jnp.square(least / unit)), unit)


def _at_three_scales(x, axes, least):
    """The length by the sums of Blue (1978), ACM Trans. Math. Softw. 4, 15-23."""
    bound, k = _steps(x)
    size = jnp.abs(x)
    small, large = size < 2.0**-bound, size > 2.0**bound

    def total(x, least):
        return jnp.square(x).sum(axes, keepdims=True) + least * least

    kind = (least >= 2.0**-bound) + (least > 2.0**bound)
    # A factor stands beside a choice, never beside another one or in a square: there
    # the compiler would join the two, whose product is no float.
    lift, lower = 2.0 ** (k - STEPS), 2.0**-k
    lows = total(jnp.where(small, up(x) * lift, 0), _at(kind, 0, least, k))
    ordinary = total(jnp.where(small | large, 0, x), _at(kind, 1, least, 0))
    highs = total(jnp.where(large, x * lower, 0), _at(kind, 2, least, -k))
    below_highs = jnp.where(highs > 0, ordinary * lower, 0) * lower
    below_ordinary = jnp.where(ordinary == 0, 0, lows * lower) * lower
    square = jnp.where(
        highs > 0,
        highs + below_highs,
        jnp.where(ordinary == 0, lows, ordinary + below_ordinary),
    )
    low_or_1 = jnp.where(ordinary == 0, 2.0**-k, 1.0)
    unit = jnp.where(highs > 0, 2.0**k, low_or_1).astype(x.dtype)
    return Length(_root(square), unit)


def _at(kind, own, least, steps):
    return least * 2.0**steps if kind == own else 0.0
