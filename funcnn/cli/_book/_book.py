"""The rule book: which rules have to be measured, and the two files."""

import os
import platform
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from funcnn import ops
from funcnn._files import write_whole
from funcnn.cli._book import _entries
from funcnn.cli._book._accelerators import Needs
from funcnn.cli._book._entries import Entry
from funcnn.cli._book._measures import measured
from funcnn.cli._book._pages import page
from funcnn.cli._book._sources import fingerprint
from funcnn.cli._check_jobs import Done
from funcnn.cli._check_rows import merged
from funcnn.gradients import check as check_rule
from funcnn.ops._rules import rules_of_ops

PAGE, ENTRIES = "rules.md", "rules.json"


class BookTask(NamedTuple):
    """A rule to check and to measure.

    Attributes:
      name: the rule's, as in `rules_of_ops`.
      sample: the most injected faults that are tried of each family; 0 for all.
    """

    name: str
    sample: int


def fingerprints() -> dict[str, str]:
    """Those of all rules, by name."""
    return {
        name: fingerprint(getattr(ops, op))
        for op, rules in rules_of_ops(ops).items()
        for name in rules
    }


def stale(entries: dict[str, Entry], chosen: Collection[str] = ()) -> list[str]:
    """The rules whose code is not what was measured; of the chosen ops, if any."""
    codes = fingerprints()
    names = [
        name
        for op, rules in rules_of_ops(ops).items()
        if not chosen or op in chosen
        for name in rules
    ]
    return [n for n in names if n not in entries or entries[n].code != codes[n]]


def entered(task: BookTask) -> tuple[Done, Entry]:
    """Checks and measures one rule."""
    start = time.perf_counter()
    rule = _rule(task.name)
    row = merged(task.name, check_rule(rule).rows)
    measures = measured(rule, task.sample)
    code = fingerprints()[task.name]
    entry = Entry(code, row.verdict, row.points, measures, _versions())
    return Done(row, time.perf_counter() - start), entry


def _versions() -> str:
    system = f"jax {jax.__version__} on {platform.system()} {platform.machine()}"
    flags = os.environ.get("XLA_FLAGS")  # they may change the last digits
    return f"{system} with XLA_FLAGS={flags!r}" if flags else system


def _rule(name: str) -> Any:
    by_op = rules_of_ops(ops).values()
    return {n: rule for rules in by_op for n, rule in rules.items()}[name]


def read(folder: Path) -> dict[str, Entry]:
    """The entries of the book in a folder, of rules that there still are."""
    known = fingerprints()
    entries = _entries.read(folder / ENTRIES)
    return {name: entry for name, entry in entries.items() if name in known}


def write(folder: Path, entries: dict[str, Entry], needs: Mapping[str, Needs]) -> None:
    """Both files."""
    _entries.write(folder / ENTRIES, entries)
    write_whole(folder / PAGE, page(entries, needs).encode())
