"""Where NaNs and infinities come from."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from funcnn.gradients._arguments import Program, traced_program
from funcnn.gradients._culprits import first_made
from funcnn.gradients._nonfinite_rows import (
    NonfiniteRow,
    argument_rows,
    backward_row,
    forward_row,
)
from funcnn.gradients._places import call_place, operation_name
from funcnn.gradients._ranges import entries, is_float, is_float_scalar, range_text
from funcnn.gradients._report import Report
from funcnn.gradients._steps import Path
from funcnn.gradients._tape import Box, Tape, passes_back, passive

_COLUMNS = ("direction", "operation", "found", "type", "range", "entry")


def find_nonfinite(f: Callable[..., Any], *args: Any) -> Report:
    """Finds the first operation that makes a NaN or an infinity.

    Runs `f` operation by operation, inside `jit`, `checkpoint`, `scan`,
    `while_loop` and `cond` too, and, when it gives a floating-point scalar or a
    tuple that begins with one, back through it. An operation is reported that
    makes an infinity of finite operands, or a NaN of operands without one. What
    moves, selects or compares an infinity is not, nor a constant that is infinite
    from the start, such as the one that masks attention: it is noted.

    Args:
      f: any function that JAX can trace.
      *args: where to run it; arrays, in pytrees or not, and Python's floats are
        traced, everything else is kept as it is.

    Returns:
      A report with a `NonfiniteRow` for the first such operation of the forward
      pass, or else for the first of the backward pass, and one for each argument
      that has a NaN; `ok` without any. Its `reaches` says whether it shows in the
      value or the gradient, or is masked on the way.

    Raises:
      TypeError: inside of `jit`, `vmap` or `grad`.

    A rule is one operation: what it makes and masks within itself is its own
    affair. Where an operation cannot be differentiated, such as a callback, the
    backward pass ends, and a note says so. Operations run one at a time,
    uncompiled: choose small arrays.
    """
    program = traced_program("find_nonfinite", f, args, all_outputs=True)
    tape = _Watch()
    boxes = [Box(a, active=is_float(a)) for a in program.arrays]
    outputs = tape.run(program.jaxpr, boxes)
    passes, totals = _pass_back(tape, outputs)
    results = {"value": [box.value for box in outputs]}
    if passes:
        results["gradient"] = [totals[box] for box in boxes if box in totals]
    reaches = tuple(name for name, a in results.items() if any(map(_is_bad, a)))
    found = [*argument_rows(program), *([tape.first] if tape.first else [])]
    rows = tuple(row._replace(reaches=reaches) for row in found)
    notes = [*tape.notes, *_argument_notes(program), _reach_note(results, reaches)]
    title = _title(f, rows, len(tape.entries), passes)
    return Report(title, rows, _COLUMNS, notes=tuple(notes), left=_COLUMNS)


class _Watch(Tape):
    """A tape that remembers the first operation that makes one."""

    def __init__(self) -> None:
        super().__init__()
        self.first: NonfiniteRow | None = None

    def operation(self, equation: Any, args: list[Box], path: Path) -> list[Box]:
        """Runs it, and looks at what came out."""
        try:
            outputs = super().operation(equation, args, path)
        except Exception as error:
            if not any(box.active for box in args):
                raise
            # It cannot be differentiated; what it makes can be seen all the same.
            outputs = super().operation(equation, [passive(b) for b in args], path)
            name = operation_name(equation)
            self.notes.append(
                f"{name} has no backward pass: {error}".partition("\n")[0]
            )
        self._note_constants(equation, args)
        inputs = tuple(box.value for box in args)
        for box in outputs if self.first is None else ():
            made = first_made(equation, inputs, box.value)
            if made:
                self.first = forward_row(self.entries[-1], box.value, made)
                break
        return outputs

    def _note_constants(self, equation: Any, args: list[Box]) -> None:
        for box in args:
            if box.constant and is_float(box.value) and _is_bad(box.value):
                name = operation_name(equation)
                place = call_place(equation, self.around)
                note = f"a constant is {range_text(box.value)}: {name}, {place}"
                if note not in self.notes:
                    self.notes.append(note)


def _pass_back(tape: _Watch, outputs: Sequence[Box]) -> tuple[int, dict[Box, Any]]:
    """How many operations were passed, and the cotangents that reached each box."""
    totals: dict[Box, Any] = {}
    passes = 0
    if outputs and is_float_scalar(outputs[0].value):
        for passed in passes_back(tape.entries, outputs[0], totals):
            passes += 1
            tape.first = tape.first or backward_row(passed)
    return passes, totals


def _argument_notes(program: Program) -> list[str]:
    return [
        f"{name} is infinite from the start: {range_text(array)}"
        for name, array in zip(program.names, program.arrays)
        if is_float(array) and np.isinf(entries(array)).any()
    ]


def _title(f: Any, rows: Sequence[Any], operations: int, passes: int) -> str:
    name = getattr(f, "__name__", type(f).__name__)
    ran = f"operations: {operations} forward, {passes} backward"
    what = "the first NaN or infinity" if rows else "no NaN and no infinity is made"
    return f"{what} in {name} ({ran})"


def _reach_note(results: Iterable[str], reaches: Sequence[str]) -> str:
    if reaches:
        return f"not finite: the {' and the '.join(reaches)}"
    return f"finite: the {' and the '.join(results)}"


def _is_bad(value: Any) -> bool:
    return not bool(np.isfinite(entries(value)).all())
