"""The share of injected faults that a checker finds."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from funcnn.gradients._report import Report
from funcnn.gradients._verdicts import DIFFERENT, KILLED, SURVIVED
from funcnn.gradients.mutation._cases import cases_of
from funcnn.gradients.mutation._equivalent import equivalent, telling_cases
from funcnn.gradients.mutation._mutant import Mutant, narrowed
from funcnn.gradients.mutation._mutants import sampled

Checker = Callable[[Any], Any]
"""Gives anything with a truth value `ok` for an op."""


class MutantRow(NamedTuple):
    """What became of one mutant; `reason` says why, unless it was killed."""

    family: str
    fault: str
    argument: str
    verdict: str
    reason: str


@dataclasses.dataclass(frozen=True, repr=False)
class KillReport(Report):
    """A `Report` of mutants, with their rate; `ok` when none survived."""

    @property
    def killed(self) -> int:
        """How many mutants the checker found."""
        return sum(row.verdict == KILLED for row in self.rows)

    @property
    def faults(self) -> int:
        """How many mutants are faults: those killed, and those that survived."""
        return sum(row.verdict in (KILLED, SURVIVED) for row in self.rows)

    @property
    def rate(self) -> float:
        """The share of the faults that was found; 1 when there is none."""
        return self.killed / self.faults if self.faults else 1.0


def kill_rate(
    op: Any,
    *,
    checker: Checker | None = None,
    sample: int | None = None,
    seed: int = 0,
    most_cases: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> KillReport:
    """Breaks an op in many ways, and counts how often a checker notices.

    Each mutant is checked at the smallest `most_cases` cases of the op in which it
    differs as given. One that is not found there is compared with the op at many
    points (`equivalent`): if it is a fault, the checker gets the case that showed
    it, and at last all cases. So the checker sees fewer cases than it would, and
    what it kills is trusted to be a fault: that it clears correct rules has to be
    shown elsewhere.

    Args:
      op: a rule of `funcnn.rule`, which the checker holds for correct.
      checker: judges an op, by the truth of ``checker(op).ok``; by default
        `funcnn.gradients.check`.
      sample: the most mutants of each family, chosen at random; by default all.
      seed: for the choice.
      most_cases: how many cases are tried first.
      progress: called with the number of mutants done, and of all.

    Returns:
      A `KillReport` with a `MutantRow` for each mutant: KILLED, SURVIVED, or, which
      is no fault, EQUIVALENT or CONVENTION. The notes have the rate of each family.

    Raises:
      TypeError: when `op` is no rule of `funcnn.rule`.
      Exception: what the checker raises, with a note that names the mutant.
    """
    judge = _default_checker if checker is None else checker
    members, crashing = sampled(op, sample, seed)
    rows: list[MutantRow] = []
    for number, mutant in enumerate(members):
        try:
            rows.append(_judged(op, mutant, judge, most_cases))
        except Exception as error:
            about = f"{mutant.fault} {mutant.argument}".rstrip()
            error.add_note(f"in the mutant of {op.__name__}: {mutant.family}, {about}")
            raise
        if progress is not None:
            progress(number + 1, len(members))
    columns = ("family", "fault", "argument", "verdict", "reason")
    report = KillReport(
        f"mutants of {op.__name__}", tuple(rows), columns, "mutant", left=columns
    )
    return dataclasses.replace(report, notes=_notes(report, crashing))


def _default_checker(op: Any) -> Any:
    from funcnn.gradients.checker import check

    return check(op)


def _judged(op: Any, mutant: Mutant, judge: Checker, most_cases: int) -> MutantRow:
    def row(verdict: str, reason: str = "") -> MutantRow:
        family, fault, argument = mutant.family, mutant.fault, mutant.argument
        return MutantRow(family, fault, argument, verdict, reason)

    def killed(numbers: tuple[int, ...]) -> bool:
        return not judge(narrowed(mutant.op, numbers)).ok

    tried = telling_cases(op, mutant, most_cases) or mutant.cases[:most_cases]
    if killed(tried):
        return row(KILLED)
    likeness = equivalent(op, mutant)
    if likeness.verdict != DIFFERENT:
        return row(likeness.verdict, likeness.reason)
    everything = tuple(case.number for case in cases_of(op))
    showing = (likeness.case,) if likeness.case >= 0 else ()
    for numbers in (showing, everything):
        if not set(numbers) <= set(tried) and killed(numbers):
            return row(KILLED)
    return row(SURVIVED, likeness.reason)


def _notes(report: KillReport, crashing: int) -> tuple[str, ...]:
    notes = [f"{report.killed} of {report.faults} faults found, {report.rate:.1%}"]
    for family in dict.fromkeys(row.family for row in report.rows):
        rows = tuple(row for row in report.rows if row.family == family)
        part = dataclasses.replace(report, rows=rows)
        said = f"  {family}: {part.killed} of {part.faults}"
        none = len(rows) - part.faults
        notes.append(said + (f", and {none} that are no faults" if none else ""))
    if crashing:
        notes.append(f"{crashing} more cannot be traced in any case, and are none")
    return tuple(notes)
