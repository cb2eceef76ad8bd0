"""What a person sees while rules are checked."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol

from funcnn.cli._check_rows import CheckRow
from funcnn.gradients._verdicts import fails


class Progress(Protocol):
    """What the loop over the rules tells of."""

    def begin(self, rule: str) -> None:
        """A rule is looked at."""

    def end(self, row: CheckRow) -> None:
        """It was."""


class Lines:
    """A plain line per rule."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._start = total, 0, 0.0

    def begin(self, rule: str) -> None:
        """Notes the time."""
        self._start = time.perf_counter()

    def end(self, row: CheckRow) -> None:
        """Writes the verdict."""
        self._done += 1
        seconds = time.perf_counter() - self._start
        line = f"{self._done}/{self._total}  {row.rule}  {row.verdict}  {seconds:.1f} s"
        print(line, file=sys.stderr, flush=True)


class Bar:
    """A Rich progress bar, with the rules that fail above it."""

    def __init__(self, total: int, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)

    def begin(self, rule: str) -> None:
        """Shows its name."""
        self._bar.update(self._task, description=rule)

    def end(self, row: CheckRow) -> None:
        """Moves the bar."""
        self._bar.advance(self._task)
        if fails(row.verdict):
            self._bar.console.print(
                f"{row.rule}  {row.verdict}  {row.at}", highlight=False, markup=False
            )


@contextlib.contextmanager
def shown(total: int) -> Iterator[Progress]:
    """A bar on a terminal, lines elsewhere, on standard error."""
    if not sys.stderr.isatty():
        yield Lines(total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rules"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    # Rich would take what is printed to standard output meanwhile
    with Progress(
        *columns, console=Console(stderr=True), redirect_stdout=False
    ) as progress:
        yield Bar(total, progress)
