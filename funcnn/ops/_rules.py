"""Which rules stand behind which op."""

import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from funcnn.rules import is_rule


def rules_of_ops(namespace: types.ModuleType) -> dict[str, dict[str, Any]]:
    """The rules of every op of a module such as `funcnn.ops`, each with its name.

    A rule bears the op's name where it is the op's only one, and stands under the
    first op that uses it.
    """
    found: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for op, function in vars(namespace).items():
        if inspect.isfunction(function):
            own = {n: r for n, r in sorted(_reached(function)) if id(r) not in seen}
            seen |= set(map(id, own.values()))
            alone = len(own) == 1
            found[op] = {op if alone else f"{op}.{n}": r for n, r in own.items()}
    return found


def _reached(op: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """The rules that an op's code names, through other functions of its module."""
    globals_ = vars(sys.modules[op.__module__])
    names: set[str] = set()
    waiting: list[Any] = [op]
    while waiting:
        new = set(waiting.pop().__code__.co_names) - names
        names |= new
        values = [(name, globals_.get(name)) for name in new]
        waiting += [value for _, value in values if inspect.isfunction(value)]
        yield from (
            (name.strip("_"), value) for name, value in values if is_rule(value)
        )
