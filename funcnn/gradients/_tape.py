"""A program run forward with everything kept that its backward pass needs."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients._ranges import is_float
from funcnn.gradients._steps import Path, Stepper, bind


class Box:
    """One value of the program; two boxes are never the same.

    Attributes:
      value: the array.
      active: whether it depends on what is differentiated.
      constant: whether it stands in the program as it is.
    """

    __slots__ = ("active", "constant", "value")

    def __init__(self, value: Any, active: bool, constant: bool = False) -> None:
        self.value, self.active, self.constant = value, active, constant


def passive(box: Box) -> Box:
    """The same value, to which nothing is sent."""
    return Box(box.value, active=False, constant=box.constant)


class Entry(NamedTuple):
    """One operation as it was run; `equation` is None for what is only glue.

    `function` takes the values of the active inputs, and `pull` the cotangents of
    all outputs back to them; `pull` is None where nothing is differentiated.
    `around` are the operations whose programs it stands in.
    """

    equation: Any
    path: Path
    inputs: tuple[Box, ...]
    outputs: tuple[Box, ...]
    function: Callable[..., list[Any]]
    pull: Callable[..., Any] | None
    around: tuple[Any, ...]

    @property
    def active(self) -> tuple[Box, ...]:
        """The inputs that cotangents are sent to."""
        return tuple(box for box in self.inputs if box.active)


class Passed(NamedTuple):
    """What the backward pass did at one operation.

    `arrived` has a cotangent per output, None where nothing reached it; `sent` one
    per active input; `totals` what has reached each of those inputs by now.
    """

    entry: Entry
    arrived: tuple[Any, ...]
    sent: tuple[Any, ...]
    before: tuple[Any, ...]
    totals: tuple[Any, ...]


class Tape(Stepper):
    """Runs a program on boxes, keeping an `Entry` per operation.

    Attributes:
      entries: in the order in which they were run.
    """

    def __init__(self, most_steps: int | None = None) -> None:
        super().__init__(most_steps)
        self.entries: list[Entry] = []

    def constant(self, value: Any) -> Box:
        """A box that nothing is sent to."""
        return Box(value, active=False, constant=True)

    def concrete(self, value: Box) -> Any:
        """What is in the box."""
        return value.value

    def operation(self, equation: Any, args: list[Box], path: Path) -> list[Box]:
        """Runs an operation by its own rule, and keeps it."""
        function = functools.partial(bind, equation)
        if equation.primitive.name == "stop_gradient":
            args = [passive(box) for box in args]
        return self._record(function, args, equation, path)

    def glue(self, function: Callable[..., list[Any]], args: list[Box]) -> list[Box]:
        """Keeps it as well: cotangents go through it."""
        return self._record(function, args, None, ())

    def _record(
        self, function: Callable[..., Any], args: list[Box], equation: Any, path: Path
    ) -> list[Box]:
        def of_active(*given: Any) -> list[Any]:
            rest = iter(given)
            return function(*(next(rest) if a.active else a.value for a in args))

        pull = None
        if any(a.active for a in args):
            active = [a.value for a in args if a.active]
            results, pull = jax.vjp(of_active, *active)
        else:
            results = of_active()
        outputs = [Box(r, pull is not None and is_float(r)) for r in results]
        boxes = tuple(args), tuple(outputs)
        self.entries.append(Entry(equation, path, *boxes, of_active, pull, self.around))
        return outputs


def passes_back(
    entries: Sequence[Entry], output: Box, totals: dict[Box, Any]
) -> Iterator[Passed]:
    """The backward pass from the scalar `output`, whose cotangent is 1.

    Args:
      entries: of the tape.
      output: where the pass begins.
      totals: is filled with the sum of the cotangents that reached each box.

    Yields:
      What was done, from the last operation that something reached to the first.
    """
    totals[output] = jnp.ones_like(output.value)
    for entry in reversed(entries):
        arrived = tuple(totals.get(box) for box in entry.outputs)
        if entry.pull is None or all(a is None for a in arrived):
            continue
        sent = entry.pull(full_cotangents(entry, arrived))
        before, after = [], []
        for box, cotangent in zip(entry.active, sent, strict=True):
            before.append(totals.get(box))
            total = cotangent if before[-1] is None else before[-1] + cotangent
            totals[box] = total
            after.append(total)
        yield Passed(entry, arrived, tuple(sent), tuple(before), tuple(after))


def full_cotangents(entry: Entry, arrived: Sequence[Any]) -> list[Any]:
    """One for each output: zeros where nothing arrived."""
    return [
        _zero(box.value) if cotangent is None else cotangent
        for box, cotangent in zip(entry.outputs, arrived, strict=True)
    ]


def _zero(value: Any) -> Any:
    if is_float(value):
        return jnp.zeros_like(value)
    return np.zeros(jnp.shape(value), jax.dtypes.float0)
