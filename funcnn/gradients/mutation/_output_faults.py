"""Faults of the cotangent that is sent to one argument."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from funcnn.gradients.mutation._cases import Case
from funcnn.gradients.mutation._mutant import Mutant
from funcnn.gradients.mutation._wrapped import with_cotangent, with_cotangents


class OutputFault(NamedTuple):
    """A change of a cotangent, and the shapes at which it is one.

    Attributes:
      name: what it is called.
      change: ``change(cotangent, g)``.
      shows: ``shows(shape, case)``.
    """

    name: str
    change: Callable[[Any, Any], Any]
    shows: Callable[[tuple[int, ...], Case], bool] = lambda shape, case: True


def output_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """Every fault for every float argument; and two arguments' changed over."""
    yield from each_argument(op, cases, "output", FAULTS)
    yield from _missing(op, cases)
    yield from _swapped(op, cases)


def each_argument(
    op: Any, cases: Sequence[Case], family: str, faults: Sequence[OutputFault]
) -> Iterator[Mutant]:
    """The faults, each in the cotangent of each argument that it can show in."""
    for position, fault in itertools.product(float_positions(cases), faults):
        shown = tuple(
            case.number
            for case in cases
            if position in case.floats
            and any(
                math.prod(shape) and fault.shows(shape, case)
                for shape in case.shapes(position)
            )
        )
        if shown:
            case = cases[shown[0]]
            mutant = with_cotangent(op, case.order(position), fault.change)
            yield Mutant(mutant, fault.name, case.names[position], family, shown)


def float_positions(cases: Sequence[Case]) -> list[int]:
    """The arguments that are differentiated in any case."""
    return sorted({position for case in cases for position in case.floats})


def _missing(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    for position in float_positions(cases):
        case = next(case for case in cases if position in case.floats)

        def dropped(cotangents: list[Any], order: int = case.order(position)) -> Any:
            cotangents[order] = None
            return cotangents

        numbers = tuple(c.number for c in cases if position in c.floats)
        name = case.names[position]
        yield Mutant(with_cotangents(op, dropped), "None", name, "output", numbers)


def _swapped(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    for pair in itertools.combinations(float_positions(cases), 2):
        numbers = tuple(case.number for case in cases if _alike(case, pair))
        if not numbers:
            continue
        case = cases[numbers[0]]
        first, second = map(case.order, pair)

        def swapped(
            cotangents: list[Any], first: int = first, second: int = second
        ) -> Any:
            one, other = cotangents[first], cotangents[second]
            # in other cases their shapes differ, and the rule would refuse them
            if jax.tree.map(jnp.shape, one) == jax.tree.map(jnp.shape, other):
                cotangents[first], cotangents[second] = other, one
            return cotangents

        names = " and ".join(case.names[i] for i in pair)
        yield Mutant(with_cotangents(op, swapped), "swapped", names, "output", numbers)


def _alike(case: Case, pair: tuple[int, int]) -> bool:
    if not set(pair) <= set(case.floats):
        return False
    one, other = (jax.tree.map(jnp.shape, case.args[i]) for i in pair)
    return one == other and case.size > 0


def batch_of(g: Any) -> int:
    """The size of the first axis of what came in; 1 where it has none."""
    leaves = jax.tree.leaves(g)
    return leaves[0].shape[0] if leaves and leaves[0].ndim else 1


def _entries(g: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(g))


def _without_middle(c: Any, g: Any) -> Any:
    del g
    return c.ravel().at[c.size // 2].set(0).reshape(c.shape) if c.size else c


def _square(shape: tuple[int, ...], case: Case | None = None) -> bool:
    del case
    return len(shape) > 1 and shape[-1] == shape[-2] > 1


def _shifted(c: Any, axis: int) -> Any:
    """Moved by one along an axis, with zeros where nothing comes from."""
    if not c.ndim or not c.shape[axis]:
        return c
    moved = jnp.roll(c, 1, axis)
    return jnp.moveaxis(jnp.moveaxis(moved, axis, 0).at[0].set(0), 0, axis)


def _scale(factor: float) -> OutputFault:
    return OutputFault(f"scale {factor}", lambda c, g: c * factor)


def _many(shape: tuple[int, ...], case: Case) -> bool:
    del case
    return math.prod(shape) > 1


def _rows(shape: tuple[int, ...], case: Case) -> bool:
    del case
    return bool(shape) and shape[0] > 1


def _columns(shape: tuple[int, ...], case: Case) -> bool:
    del case
    return len(shape) > 1 and shape[-1] > 1


FAULTS = (
    *(_scale(factor) for factor in (2, 1.01, 1.001, 1.0001)),
    OutputFault("sign", lambda c, g: -c),
    OutputFault("zero", lambda c, g: jnp.zeros_like(c)),
    OutputFault("last row zero", lambda c, g: c.at[-1:].set(0) if c.ndim else c, _rows),
    OutputFault("one element zero", _without_middle),
    OutputFault("rolled", lambda c, g: jnp.roll(c, 1), _many),
    OutputFault("batch flipped", lambda c, g: jnp.flip(c, 0) if c.ndim else c, _rows),
    OutputFault(
        "transposed",
        lambda c, g: c.swapaxes(-1, -2) if _square(c.shape) else c,
        _square,
    ),
    OutputFault("shifted along the first axis", lambda c, g: _shifted(c, 0), _rows),
    OutputFault("shifted along the last axis", lambda c, g: _shifted(c, -1), _columns),
    OutputFault("plus 1e-3", lambda c, g: c + 1e-3),
    OutputFault(
        "divided by the batch size",
        lambda c, g: c / max(batch_of(g), 1),
        lambda shape, case: case.batch > 1,
    ),
    OutputFault(
        "times the batch size",
        lambda c, g: c * batch_of(g),
        lambda shape, case: case.batch > 1,
    ),
    OutputFault(
        "mean for sum",
        lambda c, g: c * (c.size / _entries(g)) if 0 < c.size < _entries(g) else c,
        lambda shape, case: math.prod(shape) < _entries(case.output),
    ),
    OutputFault(
        "rounded to bfloat16", lambda c, g: c.astype(jnp.bfloat16).astype(c.dtype)
    ),
    OutputFault(
        "rounded to float16", lambda c, g: c.astype(jnp.float16).astype(c.dtype)
    ),
)
