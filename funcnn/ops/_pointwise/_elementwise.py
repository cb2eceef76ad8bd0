"""What makes a rule of an elementwise function: dx = g f'(x)."""

from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp

from funcnn.ops._arguments import wide
from funcnn.ops._platforms import made_again
from funcnn.ops._pointwise._scaling import (
    SMALL,
    TINY,
    Scaled,
    down,
    half_of_tiny,
    rounded,
    up,
)
from funcnn.rules import rule

Function = Callable[..., Any]
Rows = Iterable[Iterable[float]]


def smooth(
    reference: Function,
    value: Function,
    slope: Function,
    *,
    tangent: float | Function | None = None,
    special: Rows = ((0.0, -0.0, 20.0, -20.0, 700.0, -700.0),),
    domain: Function = lambda x: x,
    **options: tuple[float, ...],
) -> Any:
    """The rule of a function from its value and its slope; it saves x.

    Args:
      reference: f, in plain JAX.
      value: f(x), for x in float32 or wider; `Scaled` where it may be subnormal.
      slope: f'(x), likewise.
      tangent: where f(0) = 0 without a kink, what f(x) is to the last digit for
        |x| < 2^-100: the slope at 0, or a linear function of x and the options.
      special: inputs for the cases, a row for each.
      domain: takes any number to where f is defined, for the cases.
      **options: the numbers that f takes beside x, each with values for the cases.
    """

    def forward(x, *options):
        w = wide(x)
        y = _with_tangent(w, rounded(value(w, *options)), tangent, options)
        return y.astype(x.dtype), x

    def backward(*args):
        *options, x, g = args
        # Nothing is shared with the forward pass: to keep exp(x) costs more than exp.
        x = made_again(x)
        f1 = slope(wide(x), *options)
        dx = f1.times(wide(g)) if isinstance(f1, Scaled) else f1 * wide(g)
        return (rounded(dx),)

    return elementwise(reference, forward, backward, special, domain, **options)


def within(
    reference: Function,
    value: Function,
    inside: Function,
    slope: float = 1.0,
    *,
    special: Rows,
) -> Any:
    """The rule of a function that is linear inside and constant outside.

    It saves what `inside` gives, one byte per element.
    """

    def forward(x):
        return value(x).astype(x.dtype), inside(x)

    def backward(inside, g):
        return (jnp.where(inside, g if slope == 1 else slope * wide(g), 0),)

    return elementwise(reference, forward, backward, special)


def elementwise(
    reference: Function,
    forward: Function,
    backward: Function,
    special: Rows,
    domain: Function = lambda x: x,
    **options: tuple[float, ...],
) -> Any:
    """A rule with cases of every kind of shape, and of the special inputs."""

    def cases(normal):
        first, *others = zip(*options.values()) if options else [()]
        for shape in [(), (3, 1, 5), (0, 3)]:
            yield domain(normal(*shape)), *first
        for row in special:
            yield jnp.array(row), *first
        for other in others:
            yield domain(normal(2, 3)), *other
            yield jnp.array(next(iter(special))), *other

    name = reference.__name__.strip("_").removesuffix("_reference")
    static = tuple(options)
    return rule(reference, forward, backward, static=static, cases=cases, name=name)


def _with_tangent(x, y, tangent, options):
    """`y`, but the tangent near 0, where it may be subnormal."""
    if tangent is None:
        return y
    if tangent == 1:
        return jnp.where(jnp.abs(x) < TINY, x, y)
    if tangent == 0.5:
        return jnp.where(jnp.abs(x) < TINY, half_of_tiny(x), y)
    linear = tangent if callable(tangent) else lambda x: tangent * x
    return jnp.where(jnp.abs(x) < SMALL, down(linear(up(x), *options)), y)


def number(op: str, /, **option: Any) -> float:
    """An option as a float.

    Raises:
      TypeError: naming `op` and the option, when it is no number or is traced.
    """
    ((name, value),) = option.items()
    try:
        return float(value)
    except TypeError as error:
        raise TypeError(
            f"{op}: {name} must be a number known when tracing, got {value!r}"
        ) from error


def positive_number(op: str, /, **option: Any) -> float:
    """An option as a float above 0.

    Raises:
      TypeError: as `number` does.
      ValueError: naming `op` and the option, when it is not above 0 or not finite.
    """
    ((name, value),) = option.items()
    found = number(op, **option)
    if not 0 < found < float("inf"):
        raise ValueError(f"{op}: {name} must be above 0 and finite, got {value!r}")
    return found
