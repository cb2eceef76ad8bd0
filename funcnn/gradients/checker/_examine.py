"""One rule, examined where it stands."""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from funcnn import _jax
from funcnn.gradients._points import snapped
from funcnn.gradients._verdicts import (
    AUTO_WRONG,
    KINK,
    NOT_TESTABLE,
    OK,
    RAISES,
    STRUCTURE,
    SURROGATE,
    fails,
    severity,
)
from funcnn.gradients.checker._cotangents import cotangents
from funcnn.gradients.checker._evaluation import Evaluation, Outcome
from funcnn.gradients.checker._findings import Finding
from funcnn.gradients.checker._inputs import Candidate, candidates, is_symmetric
from funcnn.gradients.checker._judge import KINK_LABELS, Judge
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._rounding import rounding_findings
from funcnn.gradients.checker._second_order import second_order_findings
from funcnn.gradients.checker._structure import Bytes, bytes_saved, is_linear, misfits
from funcnn.gradients.checker._values import value_findings, zero_findings
from funcnn.gradients.checker._witnesses import Programs, programs

LARGE = 20_000  # entries: from here on fewer points
_LONGEST = 160  # characters of an error's message
_ENOUGH = 4  # findings of one rule that fail


@dataclasses.dataclass(frozen=True)
class Depth:
    """How much is looked at.

    Attributes:
      snapped: the largest number of points on kinks, zeros and ties.
      seconds: after which no new point of a rule is begun.
      second_order: whether derivatives of the derivative are compared.
      light: whether only the given inputs and some near them are looked at, in the
        program's own dtypes and without slopes.
      shrink: whether the smallest input that shows a mistake is sought.
    """

    snapped: int = 16
    seconds: float = 10.0
    second_order: bool = True
    light: bool = False
    shrink: bool = True

    @classmethod
    def fast(cls) -> "Depth":
        """Fewer points, and no second order."""
        return cls(snapped=6, seconds=3.0, second_order=False, shrink=False)

    @classmethod
    def lightest(cls) -> "Depth":
        """For what is large."""
        return cls(snapped=0, second_order=False, light=True)


@dataclasses.dataclass
class Examination:
    """What was looked at, and what was found.

    Attributes:
      findings: everything that is not plainly right.
      points: how many points were compared.
      skipped: how many were left out, the function having no finite value there.
      largest: the largest relative difference that is none.
      linear: whether the rule was proved linear in the cotangent, by transposition.
      saved: bytes kept for the backward pass.
      notes: what could not be done, and why.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    points: int = 0
    skipped: int = 0
    largest: float = 0.0
    linear: bool | None = None
    saved: Bytes | None = None
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def worst(self) -> Finding | None:
        """The finding to show."""
        return max(
            self.findings,
            key=lambda f: (severity(f.verdict), np.nan_to_num(f.relative_error)),
            default=None,
        )

    def joined(self, other: "Examination") -> "Examination":
        """Both together, of the same rule; `other` has been looked at longer."""
        return dataclasses.replace(
            other,
            findings=self.findings + other.findings,
            points=self.points + other.points,
            skipped=self.skipped + other.skipped,
            largest=max(self.largest, other.largest),
            notes=list(dict.fromkeys(self.notes + other.notes)),
        )

    @property
    def failures(self) -> int:
        """How many findings make the rule fail."""
        return sum(fails(f.verdict) for f in self.findings)


def examine(occurrence: Occurrence, depth: Depth) -> Examination:
    """Looks at one rule: structure, values, gradients at many points, rounding."""
    done = Examination()
    try:
        traced = programs(occurrence)
    except NameError as error:  # what was mapped over a named axis is no program
        done.notes.append(f"cannot be called again where it stands: {error}")
        return done
    except Exception as error:  # the rule's own, of any kind
        done.findings.append(_raised(error))
        return done
    if occurrence.unheld:
        done.notes.append(f"no reference to hold it against: {occurrence.unheld}")
        if getattr(occurrence.call and occurrence.call.custom, "surrogate", None):
            return done  # its own value says nothing of its gradient
    done.findings += _misfits(occurrence, traced)
    if traced.automatic is None:
        done.notes.append(f"no automatic derivative: {traced.reason}")
    if not traced.floats or not traced.outputs:
        done.notes.append("nothing to differentiate: no floats in or no floats out")
        return done
    if _jax.is_custom_root(occurrence.equation):
        done.notes.append(
            "JAX gives its derivative to the constants of another function"
        )
        return done
    try:
        _compare(occurrence, Evaluation(traced, lift=not depth.light), done, depth)
    except Exception as error:
        done.findings.append(_raised(error))
    return done


def _compare(
    occurrence: Occurrence, evaluation: Evaluation, done: Examination, depth: Depth
) -> None:
    end = time.monotonic() + depth.seconds
    names = occurrence.names
    judge = Judge(evaluation, names, occurrence.active, declared=occurrence.surrogate)
    given = [evaluation.lifted(inputs) for inputs in occurrence.inputs]
    if not depth.light:
        judge.learn(_typical(evaluation, given[0]))
    smooth: list[Candidate] = []
    for candidate in _candidates(occurrence, evaluation, given, depth):
        candidate = candidate._replace(arrays=evaluation.fitted(candidate.arrays))
        defined = _at(candidate, occurrence, evaluation, judge, done)
        if candidate.smooth and defined and len(smooth) < 3:
            smooth.append(candidate)
        if time.monotonic() > end:
            done.notes.append(f"stopped after {depth.seconds:g} s at {candidate.label}")
            break
        if done.failures >= _ENOUGH:
            break
    if not done.failures and not depth.light:
        for candidate in smooth[:2]:
            weights = cotangents(evaluation.types, 5)["random"]
            outcome = evaluation.at(candidate.arrays, weights)
            if wrong := judge.both(candidate, weights, outcome):
                done.findings.append(wrong)
    done.largest = judge.largest
    if not depth.light:
        done.findings += rounding_findings(occurrence, evaluation)
    if depth.second_order and smooth and not done.failures and not occurrence.region:
        found, note = second_order_findings(
            occurrence, evaluation, smooth, occurrence.names
        )
        done.findings += found
        done.notes += note
    if depth.light:
        return
    if not occurrence.pullback:  # of which nothing of the kind is said
        done.linear = is_linear(occurrence.equation, evaluation.programs)
    done.saved = bytes_saved(occurrence, evaluation.programs)
    if occurrence.surrogate and not done.failures:
        done.findings = [f for f in done.findings if fails(f.verdict)]


def _typical(evaluation: Evaluation, given: list[Any]) -> list[Outcome]:
    """What the derivative is at a few ordinary points."""
    made = candidates(given, evaluation.programs.floats, 0)
    weights = cotangents(evaluation.types, 1)["random"]
    plain = [c for c in made if c.label in ("given", "near", "random")]
    outcomes = [evaluation.at(c.arrays, weights) for c in plain]
    return [outcome for outcome in outcomes if outcome.defined]


def _candidates(
    occurrence: Occurrence,
    evaluation: Evaluation,
    given: list[list[Any]],
    depth: Depth,
) -> Iterator[Candidate]:
    floats = evaluation.programs.floats
    entries = sum(np.size(x) for x in given[0])
    own = 0 if occurrence.region else _jax.rule_constants(occurrence.equation)
    made = list(candidates(given[0], floats, 0, own))
    if entries > LARGE or depth.light:
        made = made[: 2 if depth.light else 4]
    if not any(t.size for t in evaluation.types):  # nothing says where it is defined
        made = [c for c in made if not c.label.endswith("negative")]
    yield from made
    for number, other in enumerate(given[1:3], 2):
        yield Candidate(f"given, visit {number}", other, smooth=False, given=True)
    if entries > LARGE or not depth.snapped:
        return
    start = next((c for c in made if c.label == "near"), made[0])
    if any(is_symmetric(start.arrays[i]) for i in floats) or evaluation.iterates:
        return
    moving = tuple(start.arrays[i] for i in floats)
    with jax.enable_x64(True), np.errstate(all="ignore"):
        function = evaluation.of_floats(start.arrays)
        points = snapped(function, moving, depth.snapped)
    for point in points:
        label, arrays = point.label, list(start.arrays)
        for k, i in enumerate(floats):
            label = label.replace(f"args[{k}]", occurrence.names[i])
            arrays[i] = np.asarray(point.args[k])
        yield Candidate(label, arrays, smooth=False)


def _at(
    candidate: Candidate,
    occurrence: Occurrence,
    evaluation: Evaluation,
    judge: Judge,
    done: Examination,
) -> bool:
    """Compares at one point; whether the function is defined there."""
    several = evaluation.lift and (candidate.given or candidate.label == "near")
    plain = cotangents(evaluation.types, 1)
    weights = plain["random"]
    outcome = evaluation.at(candidate.arrays, weights)
    found = value_findings(candidate, occurrence, evaluation, outcome)
    done.findings += found
    if not outcome.defined:
        if not candidate.given:
            done.skipped += 1
            return False
        weights = _without_undefined(weights, outcome)
        outcome = evaluation.at(candidate.arrays, weights)
        several = False
    done.points += 1
    found = judge.findings(candidate, "random", weights, outcome)
    if not found and candidate.label.startswith(KINK_LABELS[:3]):
        found = judge.at_kink(candidate, weights, outcome)
    done.findings += found
    if several:
        for label, weights in plain.items():
            if label == "random":
                continue
            scaled = evaluation.at(candidate.arrays, weights)
            done.findings += judge.findings(candidate, label, weights, scaled)
        done.findings += zero_findings(candidate, occurrence, evaluation, outcome)
    return outcome.defined


def _without_undefined(weights: list[np.ndarray], outcome: Outcome) -> list[np.ndarray]:
    """Nothing is asked of outputs that have no finite value."""
    pairs = zip(weights, outcome.value, outcome.declared)
    return [np.where(np.isfinite(y) & np.isfinite(d), w, 0.0) for w, y, d in pairs]


def _misfits(occurrence: Occurrence, traced: Programs) -> list[Finding]:
    return [misfit(name, reason) for name, reason in misfits(occurrence, traced)]


def misfit(argument: str, reason: str) -> Finding:
    """That an array has not the dtype or the shape that it should have."""
    return Finding(STRUCTURE, argument, "", "", (), None, None, "", 0.0, reason)


def _raised(error: BaseException) -> Finding:
    reason = f"{type(error).__name__}: {said(error)}"
    return Finding(RAISES, "", "given", "", (), None, None, "", 0.0, reason)


def said(error: BaseException) -> str:
    """An error's message in one line, without the traceback that it may hold."""
    lines = str(error).strip().partition("-" * 20)[0].strip().splitlines() or [""]
    line = lines[-1] if "Traceback" in lines[0] else lines[0]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def shape_findings(occurrence: Occurrence, label: str) -> list[Finding]:
    """What is wrong with a rule for inputs of a shape that nobody gave it.

    Only a gradient that is plainly not the function's counts: a rule may refuse
    shapes that its function takes.
    """
    try:
        evaluation = Evaluation(programs(occurrence))
        given = evaluation.lifted(occurrence.inputs[0])
        judge = Judge(
            evaluation,
            occurrence.names,
            occurrence.active,
            declared=occurrence.surrogate,
        )
        if evaluation.loops or not evaluation.programs.floats:
            return []
        judge.learn(_typical(evaluation, given))
        weights = cotangents(evaluation.types, 1)["random"]
        found = []
        for candidate in candidates(given, evaluation.programs.floats, 0):
            if candidate.label in ("given", "near", "random"):
                outcome = evaluation.at(candidate.arrays, weights)
                if outcome.defined:
                    there = candidate._replace(label=label, smooth=False, given=False)
                    found += judge.findings(there, "random", weights, outcome)
    except Exception:  # refused
        return []
    return [f for f in found if fails(f.verdict) and f.numerical]


def verdict(done: Examination, occurrence: Occurrence | None) -> str:
    """The word for the whole rule; without one, for the whole program."""
    worst = done.worst
    if worst is not None and fails(worst.verdict):
        return worst.verdict
    if occurrence is not None and occurrence.surrogate:
        return SURROGATE
    if not done.points or (occurrence is not None and occurrence.unheld):
        return NOT_TESTABLE
    words = [f.verdict for f in done.findings]
    return next((w for w in (AUTO_WRONG, KINK) if w in words), OK)
