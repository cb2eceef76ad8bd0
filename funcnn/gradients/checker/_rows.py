"""What a report says of one rule."""

import traceback
from typing import Any, NamedTuple

from funcnn.gradients import _places
from funcnn.gradients._verdicts import AUTO_WRONG, NOT_TESTABLE, RAISES, fails
from funcnn.gradients.checker._examine import Examination, said, verdict
from funcnn.gradients.checker._findings import Finding
from funcnn.gradients.checker._marks import Declared
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._shrink import smallest
from funcnn.gradients.checker._shrink_result import Smallest
from funcnn.gradients.checker._structure import Bytes


class AuditRow(NamedTuple):
    """One rule where it stands.

    Attributes:
      rule: its name.
      at: file and line of what computes its derivative, without folders.
      path: the programs that it stands in, from the outside.
      verdict: a word of `funcnn.gradients._verdicts`.
      argument: the argument that is worst.
      error: the largest difference over the largest entry of the automatic cotangent.
      points: at how many points it was compared.
      says: what is wrong, and at which point.
      place: `at`, with folders.
      called_at: file and line of the call, in code that is neither JAX's nor ours.
      shapes: of its inputs, with their dtypes.
      skipped: points at which the function has no finite value.
      linear: whether it was proved linear in the cotangent, by transposition.
      bytes_saved: for the backward pass.
      findings: everything that is not plainly right.
      notes: what could not be checked, and why.
      smallest: of a rule that is wrong, the smallest input found that shows it.
    """

    rule: str
    at: str
    path: str
    verdict: str
    argument: str
    error: float
    points: int
    says: str
    place: str = ""
    called_at: str = ""
    shapes: tuple[str, ...] = ()
    skipped: int = 0
    linear: bool | None = None
    bytes_saved: Bytes | None = None
    findings: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    smallest: Smallest | None = None

    @property
    def relative_error(self) -> float:
        """For sorting, worst first."""
        return self.error


def row_of(
    occurrence: Occurrence | None, done: Examination, *, consumed: bool = False
) -> AuditRow:
    """The row of an examined rule; without one, of the whole program."""
    word = verdict(done, occurrence)
    shown = [f for f in done.findings if f.verdict == word]
    worst = shown[0] if shown else None
    says = (
        _says(worst) if worst else "; ".join(done.notes) if word == NOT_TESTABLE else ""
    )
    error = worst.relative_error if worst else done.largest
    argument = worst.argument if worst else ""
    if occurrence is None:
        return AuditRow(
            "whole program",
            "",
            "",
            word,
            argument,
            error,
            done.points,
            says,
            findings=tuple(done.findings),
        )
    path = "differentiated inside" if consumed else "/".join(occurrence.path)
    return AuditRow(
        occurrence.name,
        _places.short_place(occurrence.place),
        path,
        word,
        argument,
        error,
        done.points,
        says,
        occurrence.place,
        occurrence.called_at,
        tuple(
            f"{name}: {atom.aval.str_short()}"
            for name, atom in zip(occurrence.names, occurrence.equation.invars)
        ),
        done.skipped,
        done.linear,
        done.saved,
        tuple(done.findings),
        tuple(done.notes),
    )


def _says(finding: Finding) -> str:
    """What is wrong, in one line: where, what came out, what is true."""
    parts = [finding.reason]
    if finding.manual is not None:
        entry = ", ".join(map(str, finding.entry))
        blamed = finding.automatic if finding.verdict == AUTO_WRONG else finding.manual
        true = finding.numerical or _short(finding.automatic)
        what = f"[{entry}]" if finding.entry else ""
        parts.append(f"{what} {_short(blamed)}, not {true}".strip())
    text = ": ".join(parts)
    return f"{text} (at {finding.point})" if finding.point else text


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float | complex) else str(value)


def shrunk(
    row: AuditRow, occurrence: Occurrence, declared: Declared | None
) -> AuditRow:
    """The row with the smallest input that shows what is wrong, if there is one."""
    found = next((f for f in row.findings if f.verdict == row.verdict), None)
    if found is None or not fails(row.verdict):
        return row
    return row._replace(smallest=smallest(occurrence, found, declared))


def raised_row(error: BaseException, where: str) -> AuditRow:
    """A row for what stopped the audit of a program."""
    frames = traceback.extract_tb(error.__traceback__)
    foreign = (f"{f.filename}:{f.lineno}" for f in reversed(frames) if _is_foreign(f))
    place = next(foreign, "")
    says = f"{type(error).__name__}: {said(error)}"
    if where:
        says = f"stopped at {where}: {says}"
    at = _places.short_place(place)
    return AuditRow("program", at, "", RAISES, "", 0.0, 0, says, place)


def _is_foreign(frame: traceback.FrameSummary) -> bool:
    return not frame.filename.startswith((*_places.JAX, _places.FUNCNN, "<frozen"))
