"""`funcnn check`: are our own rules right?"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from funcnn import ops
from funcnn.cli._check_book import write_book
from funcnn.cli._check_jobs import Done, Task, done_by, in_processes, rules_of
from funcnn.cli._check_progress import Progress, shown
from funcnn.cli._check_rows import CheckRow
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
    jobs: Annotated[
        int, typer.Option(min=1, help="How many processes check at the same time.")
    ] = 1,
    book: Annotated[
        bool,
        typer.Option(
            "--book",
            help="Write the rule book: check and measure the rules whose code is not "
            "what the book has of them, and make its page anew.",
        ),
    ] = False,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="FOLDER", help="Where the book is.")
    ] = Path("docs"),
    accelerators: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="For the book: what rules need on a TPU and a GPU, as `python -m "
            "benchmarks accelerators` writes it; left out where there is no file.",
        ),
    ] = Path("benchmarks/results/accelerators.json"),
    faults: Annotated[
        int,
        typer.Option(
            min=0,
            help="For the book: the most injected faults that are tried of each rule "
            "and family; 0 for all, which takes minutes for each rule.",
        ),
    ] = 0,
) -> None:
    """Checks the hand-written derivatives of funcnn's own ops, over all their cases."""
    with reported():
        chosen = _known(op or ())
        if book:
            write_book(folder, accelerators, chosen, faults, jobs)
            return
        tasks = [Task(name, chosen, fast) for name in rules_of(chosen)]
        ask_for_cpu_devices()
        rows: dict[str, CheckRow] = {}
        try:
            with shown(len(tasks)) as progress, interrupts() as look:
                for done in _each(tasks, jobs, progress):
                    rows[done.row.rule] = done.row
                    progress.end(done)
                    look()
        except KeyboardInterrupt:
            _say_so_far(_ordered(rows, tasks), len(tasks))
            raise
        answer(_report(_ordered(rows, tasks)), json, html)


check.__doc__ = f"""{check.__doc__}

The verdicts, of which a row has the worst of its cases:

{VERDICTS}

Exit code 0: no rule fails; 1: one does; 2: it could not be asked; 130: Ctrl-C, after
saying what is known so far.
"""


def _known(names: Sequence[str]) -> tuple[str, ...]:
    known = rules_of_ops(ops)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, cutoff=0.5) or known
            raise InputError(f"there is no op {name!r}; near it: {', '.join(near)}")
    return tuple(names)


def _each(tasks: list[Task], jobs: int, progress: Progress) -> Iterator[Done]:
    if jobs > 1:
        progress.begin(f"{jobs} at a time")
        yield from in_processes(done_by, tasks, jobs)
        return
    for task in tasks:
        progress.begin(task.name)
        yield done_by(task)


def _ordered(rows: dict[str, CheckRow], tasks: list[Task]) -> list[CheckRow]:
    return [rows[task.name] for task in tasks if task.name in rows]


def _report(rows: list[CheckRow], notes: tuple[str, ...] = ()) -> Report:
    # a column that says nothing of any rule would only take room
    columns = tuple(c for c in _COLUMNS if any(getattr(r, c) != "" for r in rows))
    title = "check of funcnn's rules"
    return Report(title, tuple(rows), columns, noun="rule", notes=notes, left=_LEFT)


def _say_so_far(rows: list[CheckRow], total: int) -> None:
    note = f"interrupted: {len(rows)} of {total} rules were checked"
    typer.echo(str(with_places(_report(rows, (note,)))))
