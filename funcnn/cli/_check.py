"""`funcnn check`: are our own rules right?"""

import difflib
from typing import Annotated, Any

import typer

from funcnn import ops
from funcnn.cli._check_progress import shown
from funcnn.cli._check_rows import CheckRow, merged
from funcnn.cli._devices import ask_for_cpu_devices
from funcnn.cli._faults import InputError, reported
from funcnn.cli._interrupts import interrupts
from funcnn.cli._reports import (
    VERDICTS,
    Fast,
    HtmlFile,
    JsonFile,
    answer,
    with_places,
)
from funcnn.gradients import Report
from funcnn.gradients import check as check_rule
from funcnn.ops._rules import rules_of_ops

_COLUMNS = "rule at cases points verdict case argument error says".split()
_LEFT = ("at", "verdict", "case", "argument", "says")


def check(
    op: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="OP", help="As in funcnn.ops: relu, conv ...; by default all."
        ),
    ] = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    fast: Fast = False,
) -> None:
    """Checks the hand-written derivatives of funcnn's own ops, over all their cases."""
    with reported():
        rules = _chosen(op)
        ask_for_cpu_devices()
        rows: list[CheckRow] = []
        try:
            with shown(len(rules)) as progress, interrupts() as look:
                for name, rule in rules.items():
                    progress.begin(name)
                    rows.append(merged(name, check_rule(rule, fast=fast).rows))
                    progress.end(rows[-1])
                    look()
        except KeyboardInterrupt:
            _say_so_far(rows, len(rules))
            raise
        answer(_report(rows), json, html)


check.__doc__ = f"""{check.__doc__}

The verdicts, of which a row has the worst of its cases:

{VERDICTS}

Exit code 0: no rule fails; 1: one does; 2: it could not be asked; 130: Ctrl-C, after
saying what is known so far.
"""


def _chosen(names: list[str] | None) -> dict[str, Any]:
    """The rules of these ops, in the order of `funcnn.ops`, by name."""
    known = rules_of_ops(ops)
    for name in names or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, cutoff=0.5) or known
            raise InputError(f"there is no op {name!r}; near it: {', '.join(near)}")
    chosen = [rules for op, rules in known.items() if not names or op in names]
    return {name: rule for rules in chosen for name, rule in rules.items()}


def _report(rows: list[CheckRow], notes: tuple[str, ...] = ()) -> Report:
    # a column that says nothing of any rule would only take room
    columns = tuple(c for c in _COLUMNS if any(getattr(r, c) != "" for r in rows))
    title = "check of funcnn's rules"
    return Report(title, tuple(rows), columns, noun="rule", notes=notes, left=_LEFT)


def _say_so_far(rows: list[CheckRow], total: int) -> None:
    note = f"interrupted: {len(rows)} of {total} rules were checked"
    typer.echo(str(with_places(_report(rows, (note,)))))
