"""A mutant: a rule with one fault in it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from funcnn.gradients.mutation._cases import Case
from funcnn.rules import rule


class Mutant(NamedTuple):
    """An op with one fault.

    Attributes:
      op: the faulty op, made by `funcnn.rule` with the correct op's reference.
      fault: what is wrong, such as ``scale 1.0001``.
      argument: the name of the argument whose cotangent is wrong; empty where the
        fault concerns them all.
      family: the kind of fault, such as ``output`` or ``second order``.
      cases: the numbers of the op's cases in which the fault can show.
    """

    op: Any
    fault: str
    argument: str
    family: str
    cases: tuple[int, ...]


def remade(
    op: Any,
    *,
    forward: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    cases: Callable[..., Any] | None = None,
) -> Any:
    """The op once more, with other parts."""
    return rule(
        op.reference,
        forward or op.forward,
        backward or op.backward,
        static=op.static,
        cases=cases or op.cases,
        surrogate=op.surrogate,
        name=op.__name__,
    )


def narrowed(op: Any, numbers: Iterable[int]) -> Any:
    """The op with only some of its cases."""
    kept = frozenset(numbers)

    def cases(normal: Any) -> Iterator[Any]:
        # every case is made, so that those kept draw the numbers that they always do
        for number, case in enumerate(op.cases(normal)):
            if number in kept:
                yield case

    return remade(op, cases=cases)


def runs(mutant: Mutant, cases: Sequence[Case]) -> bool:
    """Whether the mutant's gradient can be traced in a case; else it is no mutant."""
    return any(_traces(mutant.op, cases[number]) for number in mutant.cases)


def _traces(op: Any, case: Case) -> bool:
    def gradient(*arrays: Any) -> Any:
        output, pull = case.pullback(op, arrays)
        return pull(output)

    try:
        jax.eval_shape(gradient, *case.arrays)
    except Exception:  # whatever it raises: such a rule cannot be called at all
        return False
    return True
