"""The rows of a check, with what the variants of its rules show."""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcnn.gradients._verdicts import fails
from funcnn.gradients.checker._arguments import of_arrays
from funcnn.gradients.checker._consumed import consumed_occurrences
from funcnn.gradients.checker._examine import Examination
from funcnn.gradients.checker._occurrence import Occurrence, occurrences
from funcnn.gradients.checker._rows import AuditRow, row_of
from funcnn.gradients.checker._variants import variant_findings


def with_variants_at(
    f: Callable[..., Any], args: tuple[Any, ...], rows: list[AuditRow]
) -> list[AuditRow]:
    """The rows of an audit of ``f(*args)``, with what the variants show."""
    program = of_arrays("check", f, args)
    try:
        found = occurrences(program.function, program.arrays, {})
    except Exception:  # of any kind: there is a row for it
        return rows
    inside = consumed_occurrences(found.consumed, {})
    known = (one if isinstance(one, Occurrence) else None for one in inside)
    return with_variants(rows, [*found.occurrences, *known])


def with_variants(rows: list[AuditRow], of: list[Occurrence | None]) -> list[AuditRow]:
    """The rows, where the first and the largest call of a rule are looked at again.

    Args:
      rows: one for each occurrence, perhaps followed by others.
      of: what they are rows of; None where that is no rule.
    """
    chosen = _first_and_largest(rows, of)
    return [_again(row, of[k]) if k in chosen else row for k, row in enumerate(rows)]


def _first_and_largest(rows: list[AuditRow], of: list[Occurrence | None]) -> set[int]:
    """Of the rules of which nothing is known to be wrong."""
    by_rule: dict[Any, list[int]] = {}
    for k, one in enumerate(of):
        if one is not None:
            by_rule.setdefault((one.name, one.place), []).append(k)
    groups = [
        group
        for group in by_rule.values()
        if not any(fails(rows[k].verdict) for k in group)
    ]
    largest = {max(group, key=lambda k: _entries(of[k])) for group in groups}
    return {group[0] for group in groups} | largest


def _entries(occurrence: Occurrence | None) -> int:
    return sum(np.size(x) for x in occurrence.inputs[0]) if occurrence else 0


def _again(row: AuditRow, occurrence: Occurrence | None) -> AuditRow:
    found, notes = variant_findings(occurrence) if occurrence else ([], [])
    done = Examination(
        [*row.findings, *found],
        row.points,
        row.skipped,
        row.error,
        row.linear,
        row.bytes_saved,
        [*row.notes, *notes],
    )
    return row_of(occurrence, done)._replace(path=row.path)
