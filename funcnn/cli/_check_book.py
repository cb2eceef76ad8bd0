"""`funcnn check --book`: the rules that were changed, checked, measured, written."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import typer

from funcnn.cli._book import _book
from funcnn.cli._book._accelerators import read
from funcnn.cli._book._book import BookTask
from funcnn.cli._book._entries import Entry
from funcnn.cli._check_jobs import Done, in_processes
from funcnn.cli._check_progress import Progress, shown
from funcnn.cli._devices import ask_for_cpu_devices
from funcnn.cli._faults import InputError
from funcnn.cli._interrupts import interrupts
from funcnn.gradients._verdicts import fails


def write_book(
    folder: Path, accelerators: Path, chosen: Sequence[str], sample: int, jobs: int
) -> None:
    """Brings the book in `folder` up to date; each rule is on disk once it is done.

    Args:
      folder: where the book is, or is to be; it has to exist.
      accelerators: where the benchmarks have what rules need there, if it exists.
      chosen: the ops whose rules are looked at; none for all.
      sample: the most injected faults that are tried of each family; 0 for all.
      jobs: how many processes work at the same time.

    Raises:
      InputError: when there is no such folder, or another file has the book's name.
      typer.Exit: with code 1, when a rule fails.
    """
    if not folder.is_dir():
        raise InputError(f"--folder: there is no folder {folder}")
    try:
        entries = _book.read(folder)
    except ValueError as error:
        raise InputError(str(error)) from error
    tasks = [BookTask(name, sample) for name in _book.stale(entries, chosen)]
    ask_for_cpu_devices()
    write = functools.partial(_book.write, folder, needs=read(accelerators))
    wrong = _measure(tasks, entries, write, jobs) if tasks else []
    write(entries)
    counts = f"{len(entries)} rules, {len(tasks)} of them measured now"
    typer.echo(f"{folder / _book.PAGE}: {counts}")
    if wrong:
        typer.echo(f"wrong: {', '.join(wrong)}; run funcnn check")
        raise typer.Exit(1)


def _measure(
    tasks: list[BookTask],
    entries: dict[str, Entry],
    write: Callable[[dict[str, Entry]], None],
    jobs: int,
) -> list[str]:
    """The names of the rules that fail; they are not entered."""
    wrong = []
    with shown(len(tasks)) as progress, interrupts() as look:
        for done, entry in _each(tasks, jobs, progress):
            if fails(done.row.verdict):
                wrong.append(done.row.rule)
            else:
                entries[done.row.rule] = entry
                write(entries)
            progress.end(done)
            look()
    return wrong


def _each(
    tasks: list[BookTask], jobs: int, progress: Progress
) -> Iterator[tuple[Done, Entry]]:
    if jobs > 1:
        progress.begin(f"{jobs} at a time")
        yield from in_processes(_book.entered, tasks, jobs)
        return
    for task in tasks:
        progress.begin(task.name)
        yield _book.entered(task)
