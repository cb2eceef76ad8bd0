"""The rows of `trace_backward`."""

from collections.abc import Callable
from typing import Any, NamedTuple

from funcnn.gradients._places import (
    call_place,
    operation_name,
    rule_place,
    short_place,
)
from funcnn.gradients._ranges import elided, norm_text, range_text, type_text
from funcnn.gradients._tape import Entry, Passed

_WIDTH = 24  # of what an operation is called: the table is to fit 110 columns


class BackwardRow(NamedTuple):
    """One operation, and what the backward pass did there.

    Attributes:
      number: its place in the program's order, from 1.
      name: the rule's, or the primitive's.
      place: file and line of the call, in the user's code where there is one.
      rule_place: file and line of the function that the rule decorates.
      path: where it stands, such as ``jit/scan[0]/custom_vjp_call``.
      inputs: the arrays that it was given; constants that a rule closes over first.
      outputs: the arrays that it gave.
      arrived: for each output the cotangent that reached it, or None.
      sent: for each input the cotangent sent on to it; None where nothing is
        differentiated, such as for integers, or nothing arrived.
    """

    number: int
    name: str
    place: str
    rule_place: str
    path: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    arrived: tuple[Any, ...]
    sent: tuple[Any, ...]

    @property
    def operation(self) -> str:
        """Number and name, file and line, and the programs around it."""
        around = self.path.rpartition("/")[0]
        lines = [self.name, short_place(self.place), around and f"in {around}"]
        heads = [f"{self.number}. ", *[" " * len(f"{self.number}. ")] * 2]
        room = _WIDTH - len(heads[0])
        pairs = zip(heads, (elided(line, room) for line in lines if line))
        return "\n".join(head + line for head, line in pairs)

    @property
    def array(self) -> str:
        """What each line of this row is about."""
        inputs = [f"input {i}" for i in range(len(self.inputs))]
        outputs = [f"output {i}" for i in range(len(self.outputs))]
        return "\n".join([*inputs, *(outputs if len(outputs) > 1 else ["output"])])

    @property
    def type(self) -> str:
        """Dtypes and shapes."""
        return "\n".join(type_text(a, 14) for a in self._arrays)

    @property
    def values(self) -> str:
        """The ranges of the inputs and outputs."""
        return "\n".join(range_text(a) for a in self._arrays)

    @property
    def cotangent(self) -> str:
        """The ranges of the cotangents: sent to inputs, arrived at outputs."""
        return "\n".join(_or_dash(range_text, c) for c in (*self.sent, *self.arrived))

    @property
    def norm(self) -> str:
        """The norms of the cotangents."""
        return "\n".join(_or_dash(norm_text, c) for c in (*self.sent, *self.arrived))

    @property
    def _arrays(self) -> tuple[Any, ...]:
        return (*self.inputs, *self.outputs)


def backward_row(number: int, entry: Entry, passed: Passed | None) -> BackwardRow:
    """What an operation did forward and, where something reached it, backward."""
    equation = entry.equation
    sent = iter(passed.sent if passed else ())
    return BackwardRow(
        number,
        operation_name(equation),
        call_place(equation, entry.around),
        rule_place(equation),
        "/".join((*entry.path, equation.primitive.name)),
        tuple(box.value for box in entry.inputs),
        tuple(box.value for box in entry.outputs),
        passed.arrived if passed else (None,) * len(entry.outputs),
        tuple(next(sent, None) if box.active else None for box in entry.inputs),
    )


def _or_dash(text: Callable[[Any], str], cotangent: Any) -> str:
    return "-" if cotangent is None else text(cotangent)
