"""The smallest input that shows a failure."""

import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from funcnn.gradients._structures import structures
from funcnn.gradients._verdicts import fails
from funcnn.gradients.checker._cotangents import cotangents
from funcnn.gradients.checker._evaluation import Evaluation
from funcnn.gradients.checker._findings import Finding
from funcnn.gradients.checker._inputs import candidates
from funcnn.gradients.checker._marks import Declared
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._shrink_call import Call, resized, sizes_of
from funcnn.gradients.checker._shrink_judge import Court, Trial
from funcnn.gradients.checker._shrink_result import Smallest, result
from funcnn.gradients.checker._shrink_values import simpler

_SECONDS, _SHAPES_SECONDS = 2.0, 1.2  # altogether, and of these for the shapes
_ENTRIES = 64  # that can be written
_SIZES = (1, 2, 3)
_AXES = 4  # how many sizes are made smaller alone


def smallest(
    occurrence: Occurrence, finding: Finding, declared: Declared | None = None
) -> Smallest | None:
    """A small input at which the same argument of a rule is found wrong.

    First smaller shapes, through the call of the rule, then simpler values, then a
    simpler cotangent, each kept if the judge still finds the argument wrong; for
    about two seconds.

    Args:
      occurrence: the rule.
      finding: what is wrong with it.
      declared: the plain functions that rules are held against, as for `audit`.

    Returns:
      None where the rule cannot be called again, or where none of the inputs that
      are small enough to be written shows the failure.
    """
    if not fails(finding.verdict) or not finding.argument:
        return None
    start = time.monotonic()
    try:
        with np.errstate(all="ignore"):
            call = Call(occurrence, declared or {})
            trial = _small_shapes(call, occurrence, finding, start + _SHAPES_SECONDS)
            if trial is None:
                return None
            return result(call, _simple(call, trial, start + _SECONDS))
    except Exception:  # whatever a rule does with inputs that it was not made for
        return None


def _small_shapes(
    call: Call, occurrence: Occurrence, finding: Finding, end: float
) -> Trial | None:
    """The smallest shapes that show it: all sizes together, then one by one."""
    given = call.arrays(_visited(occurrence, finding))
    sizes, changed, found = sizes_of(given, call.fixed), dict[int, int](), None
    for size in _SIZES:
        smaller = {n: size for n in sizes if n > size}
        if smaller and found is None:
            found = _failing(call, resized(given, smaller), finding, end)
            changed = {} if found is None else smaller
    for n, size in itertools.product(sizes[:_AXES], _SIZES):
        if size < changed.get(n, n):
            smaller = changed | {n: size}
            trial = _failing(call, resized(given, smaller), finding, end)
            found, changed = (found, changed) if trial is None else (trial, smaller)
    if found is None and sum(x.size for x in given) <= _ENTRIES:
        found = _failing(call, given, finding, end)
    return found


def _visited(occurrence: Occurrence, finding: Finding) -> list[Any]:
    """The inputs of the visit at which it was found."""
    number = re.fullmatch(r"given, visit (\d+)", finding.point)
    return occurrence.inputs[int(number[1]) - 1 if number else 0]


def _failing(
    call: Call, arrays: list[Any], finding: Finding, end: float
) -> Trial | None:
    """What shows it among the first points of these shapes."""
    if time.monotonic() > end:
        return None
    try:
        occurrence, evaluation = call.at(arrays)
        court = Court(occurrence, evaluation, finding)
    except Exception:  # the rule does not take them
        return None
    known = cotangents(evaluation.types, 1)
    starts = list(_starts(call, evaluation, occurrence.inputs[0], finding))
    for label in dict.fromkeys(("random", finding.cotangent, "times -7.3")):
        for inputs in starts if label in known or label == "zero" else []:
            trial = court.trial(inputs, known.get(label, known["random"]))
            if trial is not None or time.monotonic() > end:
                return trial
    return None


def _starts(
    call: Call, evaluation: Evaluation, inputs: list[Any], finding: Finding
) -> Iterator[list[Any]]:
    """Points to begin at: that of the finding, ordinary ones, zeros and ties."""
    floats = evaluation.programs.floats
    made = list(candidates(evaluation.lifted(inputs), floats, 0, call.constants))
    yield from (c.arrays for c in made if c.label == finding.point)
    yield from (c.arrays for c in made if c.label != finding.point)
    plain = next(c.arrays for c in made if c.label == "near")
    for i in floats:
        for _, changed in structures(np.asarray(plain[i])):
            yield [*plain[:i], changed, *plain[i + 1 :]]
    yield [np.zeros_like(x) if i in floats else x for i, x in enumerate(plain)]


def _simple(call: Call, trial: Trial, end: float) -> Trial:
    """Each array and each cotangent simpler, until none can be."""
    inputs = range(call.constants, len(trial.inputs))
    waiting = [("inputs", i) for i in inputs]
    waiting += [("weights", i) for i in range(len(trial.weights))]
    while waiting:
        name, i = waiting.pop(0)
        other = _simpler(trial, name, i, end)
        if other is not None:
            trial, waiting = other, [*waiting, (name, i)]
    return trial


def _simpler(trial: Trial, name: str, i: int, end: float) -> Trial | None:
    """The trial with the first simpler array that shows it too."""
    for value in simpler(getattr(trial, name)[i]):
        if time.monotonic() > end:
            return None
        # a cotangent of 0 shows nothing to a reader
        if name == "inputs" or value.any():
            other = trial.changed(name, i, value)
            if other is not None:
                return other
    return None
