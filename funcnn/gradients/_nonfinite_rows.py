"""The rows of `find_nonfinite`."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients._arguments import Program
from funcnn.gradients._culprits import (
    Inside,
    Made,
    culprit_inside,
    first_made,
    operands_at,
)
from funcnn.gradients._places import (
    call_place,
    derivative_place,
    is_rule_call,
    operation_name,
    short_place,
)
from funcnn.gradients._ranges import elided, entries, range_text, type_text
from funcnn.gradients._tape import Entry, Passed, full_cotangents
from funcnn.gradients._verdicts import NONFINITE


class NonfiniteRow(NamedTuple):
    """The operation that makes a NaN or an infinity of values that explain none.

    Attributes:
      direction: forward or backward; argument for an argument that has a NaN.
      name: the rule's or the primitive's; backward, of the operation whose
        derivative it is.
      place: file and line of the call, in the user's code where there is one.
      path: where it stands, such as ``scan[3]/log``.
      makes: nan, inf or -inf.
      amount: how many entries of the result.
      first: the index of the first of them.
      inside: backward and in rules, the primitive that made it, with its operands
        there and its result, such as ``div 1, 0 -> inf``; may be empty.
      inside_place: that primitive's file and line; may be empty.
      inputs: the operands; backward, the cotangents that arrived are the last.
      there: the operands' entries there, "-" for those of another shape.
      result: the array that is not finite.
      reaches: which of the value and the gradient are not finite.
      verdict: NONFINITE.
    """

    direction: str
    name: str
    place: str
    path: str
    makes: str
    amount: int
    first: tuple[int, ...]
    inside: str
    inside_place: str
    inputs: tuple[Any, ...]
    there: tuple[str, ...]
    result: Any
    reaches: tuple[str, ...]
    verdict: str = NONFINITE

    @property
    def operation(self) -> str:
        """Name, place, the programs around it and the primitive, line by line."""
        around = self.path.rpartition("/")[0]
        inside = self.inside and f"in it: {self.inside}"
        inside_place = self.inside and short_place(self.inside_place)
        lines = [self.name, short_place(self.place), around and f"in {around}"]
        lines = [*lines, inside, inside_place]
        return "\n".join(elided(line, 34) for line in lines if line)

    @property
    def found(self) -> str:
        """What it makes, where and how often."""
        where = ", ".join(map(str, self.first))
        total = f"{self.amount} of {np.size(self.result)}"
        return f"{self.makes} at ({where})\n{total} entries"

    @property
    def type(self) -> str:
        """The operands' dtypes and shapes."""
        return "\n".join(type_text(a, 16) for a in self.inputs)

    @property
    def range(self) -> str:
        """The operands' ranges."""
        return "\n".join(range_text(a) for a in self.inputs)

    @property
    def entry(self) -> str:
        """The operands' entries where the result is not finite."""
        return "\n".join(self.there)


def forward_row(entry: Entry, result: Any, made: Made) -> NonfiniteRow:
    """What one operation made."""
    inputs = tuple(box.value for box in entry.inputs)
    inside = Inside("", "")
    if is_rule_call(entry.equation):
        inside = culprit_inside(entry.equation.params["call_jaxpr"], inputs)
    return _row("forward", entry, inputs, result, made, inside)


def backward_row(passed: Passed) -> NonfiniteRow | None:
    """What one operation's derivative made, if it did."""
    entry = passed.entry
    arrived = tuple(a for a in passed.arrived if a is not None)
    inputs = (*(box.value for box in entry.inputs), *arrived)
    for sent in passed.sent:
        made = first_made(entry.equation, inputs, sent)
        if made and entry.equation is not None:
            text, _ = culprit_inside(*_derivative(passed))
            # JAX gives all that a derivative does the place of the call.
            inside = Inside(text, derivative_place(entry.equation))
            return _row("backward", entry, inputs, sent, made, inside)
    for both in zip(passed.before, passed.sent, passed.totals):
        made = None if both[0] is None else first_made(None, both[:2], both[2])
        if made and entry.equation is not None:
            inside = Inside("the sum of its cotangents", "")
            return _row("backward", entry, both[:2], both[2], made, inside)
    return None


def _derivative(passed: Passed) -> tuple[Any, list[Any]]:
    """The program that `passed` ran, and what it ran at."""
    entry = passed.entry
    cotangents = full_cotangents(entry, passed.arrived)

    def derivative(*active: Any) -> Any:
        return jax.vjp(entry.function, *active)[1](cotangents)

    active = [box.value for box in entry.active]
    return jax.make_jaxpr(derivative)(*active), active


def _row(
    direction: str,
    entry: Entry,
    inputs: tuple[Any, ...],
    result: Any,
    made: Made,
    inside: Inside,
) -> NonfiniteRow:
    equation = entry.equation
    return NonfiniteRow(
        direction,
        operation_name(equation),
        call_place(equation, entry.around),
        "/".join((*entry.path, equation.primitive.name)),
        made.what,
        made.amount,
        made.first,
        *inside,
        inputs,
        tuple(operands_at(inputs, made.first, jnp.shape(result))),
        result,
        (),
    )


def argument_rows(program: Program) -> list[NonfiniteRow]:
    """A row for each argument that has a NaN."""
    rows = []
    for name, array in zip(program.names, program.arrays):
        made = first_made(None, (), array)
        if made and np.isnan(entries(array)).any():
            rows.append(_argument_row(name, array))
    return rows


def _argument_row(name: str, array: Any) -> NonfiniteRow:
    bad = np.isnan(entries(array))
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    about = ("argument", f"{name} is not finite", "", "", "nan", int(bad.sum()), index)
    return NonfiniteRow(*about, "", "", (array,), ("nan",), array, ())
