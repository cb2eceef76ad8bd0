"""Faults that show only at some points, or only at some shapes."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from funcnn.gradients.mutation._cases import Case
from funcnn.gradients.mutation._mutant import Mutant
from funcnn.gradients.mutation._output_faults import (
    OutputFault,
    each_argument,
    float_positions,
)
from funcnn.gradients.mutation._wrapped import with_point

_Change = Callable[[Any, Any], Any]


def point_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """Faults at zeros, at ties and at large values of each argument."""
    yield from _of_values(op, cases, "point", POINT_FAULTS)


def transform_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """Faults that show only where an argument is mapped over by `jax.vmap`."""
    yield from _of_values(op, cases, "transform", _TRANSFORM_FAULTS)


def shape_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """Faults at odd, single and not square shapes of each argument."""
    yield from each_argument(op, cases, "shape", _SHAPE_FAULTS)


def _of_values(
    op: Any, cases: Sequence[Case], family: str, faults: dict[str, tuple[int, _Change]]
) -> Iterator[Mutant]:
    for position, name in itertools.product(float_positions(cases), faults):
        least, change = faults[name]
        shown = tuple(
            case.number
            for case in cases
            if position in case.floats
            and max(map(math.prod, case.shapes(position)), default=0) >= least
        )
        if shown:
            case = cases[shown[0]]
            mutant = with_point(op, position, case.order(position), change)
            yield Mutant(mutant, name, case.names[position], family, shown)


def _where_tied(x: Any) -> Any:
    """Whether an entry is equal to one beside it along the last axis."""
    if not x.ndim or x.shape[-1] < 2:
        return jnp.zeros(x.shape, bool)
    equal = x[..., 1:] == x[..., :-1]
    none = jnp.zeros((*x.shape[:-1], 1), bool)
    before, behind = [none, equal], [equal, none]
    return jnp.concatenate(before, -1) | jnp.concatenate(behind, -1)


def _first_of_all_tied(c: Any, x: Any) -> Any:
    """All of it to the first entry, where all entries are equal."""
    if x.size < 2:
        return c
    first = jnp.zeros(x.size, c.dtype).at[0].set(c.sum()).reshape(c.shape)
    return jnp.where((x == x.ravel()[0]).all(), first, c)


# The name, how many entries the argument needs, and ``change(cotangent, x)``.
POINT_FAULTS: dict[str, tuple[int, _Change]] = {
    "NaN at 0": (1, lambda c, x: jnp.where(x == 0, jnp.nan, c)),
    "double at 0": (1, lambda c, x: jnp.where(x == 0, 2 * c + 1e-3, c)),
    "double below 1e-4": (1, lambda c, x: jnp.where(abs(x) < 1e-4, 2 * c, c)),
    "zero above 6": (1, lambda c, x: jnp.where(abs(x) > 6, 0, c)),
    "NaN above 80": (1, lambda c, x: jnp.where(abs(x) > 80, jnp.nan, c)),
    "double at ties": (2, lambda c, x: jnp.where(_where_tied(x), 2 * c, c)),
    "first of all ties": (2, _first_of_all_tied),
    "double where all are 0": (1, lambda c, x: jnp.where((x == 0).all(), 2 * c, c)),
}


@custom_vmap
def _two_when_mapped(x: Any) -> Any:
    return jnp.ones((), jnp.result_type(x))


@_two_when_mapped.def_vmap
def _(axis_size: int, mapped: Any, x: Any) -> tuple[Any, bool]:
    del axis_size, mapped
    return jnp.full((), 2, x.dtype), False


@custom_vmap
def _first_when_mapped(x: Any) -> Any:
    return jnp.ones((), jnp.result_type(x))


@_first_when_mapped.def_vmap
def _(axis_size: int, mapped: Any, x: Any) -> tuple[Any, bool]:
    del mapped
    return jnp.zeros(axis_size, x.dtype).at[0].set(1), True


# Of x and not of the cotangent: so the backward pass stays linear, and differentiable.
_TRANSFORM_FAULTS: dict[str, tuple[int, _Change]] = {
    "double under vmap": (
        1,
        lambda c, x: c * _two_when_mapped(jax.lax.stop_gradient(x)),
    ),
    "first example only under vmap": (
        1,
        lambda c, x: c * _first_when_mapped(jax.lax.stop_gradient(x)),
    ),
}


def _double_when(
    name: str, condition: Callable[[tuple[int, ...]], bool]
) -> OutputFault:
    return OutputFault(
        f"double at {name}",
        lambda c, g: 2 * c if condition(c.shape) else c,
        lambda shape, case: condition(shape),
    )


_SHAPE_FAULTS = (
    _double_when(
        "a last axis that is odd", lambda s: bool(s) and s[-1] % 2 == 1 < s[-1]
    ),
    _double_when(
        "a first axis that is odd", lambda s: bool(s) and s[0] % 2 == 1 < s[0]
    ),
    _double_when("a last axis of size 1", lambda s: s[-1:] == (1,)),
    _double_when("a first axis of size 1", lambda s: s[:1] == (1,)),
    _double_when("no axes", lambda s: s == ()),
    _double_when("not square", lambda s: len(s) > 1 and s[-1] != s[-2]),
    _double_when("three axes or more", lambda s: len(s) > 2),
)
