"""Backpropagation made visible, operation by operation."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from funcnn.gradients._arguments import Program, traced_program
from funcnn.gradients._backward_rows import backward_row
from funcnn.gradients._places import is_rule_call
from funcnn.gradients._ranges import is_float, is_float_scalar, type_text
from funcnn.gradients._report import Report
from funcnn.gradients._tape import Box, Entry, Tape, passes_back

# Scans that are longer are shown by their first and last iteration.
_MOST_STEPS = 8


_COLUMNS = ("operation", "array", "type", "values", "cotangent", "norm")


@dataclasses.dataclass(frozen=True, repr=False)
class BackwardTrace(Report):
    """The report of `trace_backward`.

    Attributes:
      gradients: the sum of the cotangents that reached each argument, in the
        structure of the arguments; None for what is not differentiated.
    """

    gradients: tuple[Any, ...] = ()


def trace_backward(
    f: Callable[..., Any], *args: Any, every_operation: bool = False
) -> BackwardTrace:
    """Backpropagation through `f`, with everything that passes in sight.

    Runs `f` operation by operation, inside `jit`, `checkpoint`, `scan`, `cond` and
    `while_loop` too, and then back from the cotangent 1, each operation by its own
    rule. Of a scan with more than 8 iterations the first and the last are shown.

    Args:
      f: a function that JAX can trace, which gives a scalar or a tuple that begins
        with one.
      *args: where to run it. All floating-point arrays, in pytrees or not, and
        Python's floats are differentiated; integers and keys are traced only, and
        everything else is kept as it is.
      every_operation: whether to show the operations without a rule too.

    Returns:
      A report with a `BackwardRow` per operation that has a rule, a `custom_vjp` or
      `custom_jvp` of anybody's, in program order: its inputs, outputs, the
      cotangents that arrived at it and those that it sent on. Its `gradients` are
      what reached the arguments.

    Raises:
      TypeError: when f does not give a scalar of floats, or inside of `jit`.

    Operations run one at a time, uncompiled: choose small arrays. A rule inside of
    another rule, or in `shard_map`, is not shown.
    """
    program = traced_program("trace_backward", f, args, all_outputs=False)
    tape = Tape(_MOST_STEPS)
    boxes = [Box(a, active=is_float(a)) for a in program.arrays]
    outputs = tape.run(program.jaxpr, boxes)
    output = _scalar(outputs)
    totals: dict[Box, Any] = {}
    passed = {id(p.entry): p for p in passes_back(tape.entries, output, totals)}
    shown = [e for e in tape.entries if _is_shown(e, every_operation)]
    rows = tuple(backward_row(i + 1, e, passed.get(id(e))) for i, e in enumerate(shown))
    noun = "operation" if every_operation else "rule"
    name = getattr(f, "__name__", type(f).__name__)
    title = f"backpropagation through {name}; cotangents: read from the bottom up"
    return BackwardTrace(
        title,
        rows,
        _COLUMNS,
        noun=noun,
        notes=tuple(tape.notes),
        left=_COLUMNS,
        gradients=_gradients(program, boxes, totals),
    )


def _scalar(outputs: Sequence[Box]) -> Box:
    if len(outputs) == 1 and is_float_scalar(outputs[0].value):
        return outputs[0]
    given = [type_text(box.value) for box in outputs]
    raise TypeError(
        "trace_backward: f must give a scalar of floats, or a tuple that begins with "
        f"one; got {', '.join(given) or 'no array'}"
    )


def _is_shown(entry: Entry, every_operation: bool) -> bool:
    if entry.equation is None:
        return False
    return every_operation or is_rule_call(entry.equation)


def _gradients(
    program: Program, boxes: Sequence[Box], totals: dict[Box, Any]
) -> tuple[Any, ...]:
    """What reached the arguments, in their structure."""
    given = iter(boxes)
    leaves = [_gradient(next(given), totals) if t else None for t in program.traced]
    return tuple(jax.tree.unflatten(program.tree, leaves))


def _gradient(box: Box, totals: dict[Box, Any]) -> Any:
    if not box.active:
        return None
    return totals[box] if box in totals else jnp.zeros_like(box.value)
