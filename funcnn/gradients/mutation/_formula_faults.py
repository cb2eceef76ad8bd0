"""Faults of the formula that a static number has a part in, such as eps."""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from funcnn.gradients.mutation._cases import Case
from funcnn.gradients.mutation._mutant import Mutant, remade


def formula_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """The gradient of another static number: dropped, its root, its square.

    What is saved and what is computed from it take the other number, the output
    takes the right one: an eps that only the forward pass has, or outside the root.
    """
    for order, static in enumerate(op.static):
        for name, change in _CHANGES.items():
            numbers = tuple(
                case.number
                for case in cases
                if _changes(case.args[case.names.index(static)], change)
            )
            if numbers:
                position = cases[0].names.index(static)
                mutant = _with_static(op, position, order, change)
                yield Mutant(mutant, f"{static}: {name}", "", "formula", numbers)


def _changes(value: Any, change: Callable[[float], float]) -> bool:
    return isinstance(value, float) and change(value) != value


def _with_static(
    op: Any, position: int, order: int, change: Callable[[float], float]
) -> Any:
    def other(args: Any, place: int) -> list[Any]:
        args = list(args)
        if isinstance(args[place], float):
            args[place] = change(args[place])
        return args

    def forward(*args: Any) -> tuple[Any, Any]:
        return op.forward(*args)[0], op.forward(*other(args, position))[1]

    def backward(*args: Any) -> Any:
        return op.backward(*other(args, _place(op, order)))

    return remade(op, forward=forward, backward=backward)


def _place(op: Any, order: int) -> int:
    """Where `backward` is given a static: as `jax.custom_vjp` sorts them."""
    names = list(inspect.signature(op.reference).parameters)
    by_position = sorted(op.static, key=names.index)
    return by_position.index(op.static[order])


_CHANGES: dict[str, Callable[[float], float]] = {
    "0": lambda value: 0.0,
    "root": lambda value: math.sqrt(abs(value)),
    "square": lambda value: value * value,
    "1.001 of it": lambda value: value * 1.001,
}
