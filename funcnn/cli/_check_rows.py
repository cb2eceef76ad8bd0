"""What `funcnn check` says of one rule, over all of its cases."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from funcnn.gradients._verdicts import OK, severity
from funcnn.gradients.checker import AuditRow


class CheckRow(NamedTuple):
    """The rows of a rule's cases as one.

    Attributes:
      rule: its name, which is the op's where the op has one rule.
      at: file and line of what computes its derivative, without folders.
      cases: how many there were.
      points: at how many points they were compared.
      verdict: the worst.
      case: the one that it is of; empty where all is well.
      argument: the one that is worst.
      error: the largest difference over the largest entry of the automatic cotangent.
      says: what is wrong, and at which point.
      place: `at`, with folders.
      each_case: all that was found, case by case.
    """

    rule: str
    at: str
    cases: int
    points: int
    verdict: str
    case: str
    argument: str
    error: float
    says: str
    place: str
    each_case: tuple[dict[str, Any], ...]

    @property
    def relative_error(self) -> float:
        """For sorting, worst first."""
        return self.error


def merged(rule: str, rows: Sequence[AuditRow]) -> CheckRow:
    """The rows of a rule's cases, of which there is at least one, as one."""
    worst = max(rows, key=_badness)
    return CheckRow(
        rule,
        worst.at,
        len(rows),
        sum(row.points for row in rows),
        worst.verdict,
        "" if worst.verdict == OK else worst.path,
        worst.argument,
        worst.error,
        worst.says,
        worst.place,
        tuple(row._asdict() for row in rows),
    )


def _badness(row: AuditRow) -> tuple[int, float]:
    return severity(row.verdict), math.inf if math.isnan(row.error) else row.error
