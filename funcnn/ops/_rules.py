"""Which rules stand behind which op."""

import inspect
import sys
import types
from collections.abc import Callable, Collection, Iterator
from typing import Any

from funcnn.rules import is_rule


def rules_of_ops(
    namespace: types.ModuleType, names: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """The rules of the ops of a package such as `funcnn.ops`, each with its name.

    Of all ops in `__all__`, or of those in `names`. A rule that several of them share
    stands under the one whose name it was made with, else under the first; it bears
    the op's name where it is the op's only one.
    """
    reached = {
        op: dict(sorted(_reached(getattr(namespace, op)), key=lambda pair: pair[0]))
        for op in namespace.__all__
        if not names or op in names
    }
    owners: dict[int, str] = {}
    for op, rules in reached.items():
        for rule in rules.values():
            if id(rule) not in owners or rule.__name__ == op:
                owners[id(rule)] = op
    found = {}
    for op, rules in reached.items():
        own = {n: r for n, r in rules.items() if owners[id(r)] == op}
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
