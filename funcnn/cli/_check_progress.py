"""What a person sees while rules are checked."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Protocol

from funcnn.cli._check_jobs import Done
from funcnn.gradients._verdicts import fails


class Progress(Protocol):
    """What the loop over the rules tells of."""

    def begin(self, rule: str) -> None:
        """A rule is looked at."""

    def end(self, done: Done) -> None:
        """It was."""


class Lines:
    """A plain line per rule."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0

    def begin(self, rule: str) -> None:
        """Says nothing yet."""

    def end(self, done: Done) -> None:
        """Writes the verdict."""
        self._done += 1
        said = f"{done.row.rule}  {done.row.verdict}  {done.seconds:.1f} s"
        print(f"{self._done}/{self._total}  {said}", file=sys.stderr, flush=True)


class Bar:
    """A Rich progress bar, with the rules that fail above it."""

    def __init__(self, total: int, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)

    def begin(self, rule: str) -> None:
        """Shows its name."""
        self._bar.update(self._task, description=rule)

    def end(self, done: Done) -> None:
        """Moves the bar."""
        row = done.row
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
