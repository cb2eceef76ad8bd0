"""The command ``python -m benchmarks.survival``."""

import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import Annotated

import typer

from benchmarks.survival import _damaged, _full, _killed, _numbers
from benchmarks.survival._runs import SurvivalError, Workplace
from funcnn._tables import text_table

# A new fault is one entry.
FAULTS: dict[str, Callable[[Workplace], str]] = {
    "SIGTERM": _killed.terminated,
    "Ctrl-C": _killed.interrupted,
    "Ctrl-C twice": _killed.interrupted_twice,
    "disk full in a checkpoint": _full.full_in_checkpoint,
    "disk full in the metrics": _full.full_in_metrics,
    "one byte changed": _damaged.changed_bytes,
    "a file missing": _damaged.missing_files,
    "an empty checkpoint": _damaged.empty_folder,
    "no checkpoint whole": _damaged.nothing_whole,
    "two runs in one folder": _damaged.two_in_one_folder,
    "resumed with other options": _damaged.other_options,
    "a run of an older version": _damaged.older_version,
    "a NaN in a batch": _numbers.nan_in_batch,
    "a NaN in a batch, to be skipped": _numbers.nan_skipped,
    "a label out of range": _numbers.label_out_of_range,
    "a file of data cut": _numbers.damaged_file,
}


def survival(
    kills: Annotated[int, typer.Option(help="Runs that are killed.", min=0)] = 30,
    only: Annotated[
        list[str] | None, typer.Option(help="Only faults with this in their name.")
    ] = None,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Write the table to this file too.")
    ] = None,
) -> None:
    """Makes each fault happen to real runs, and says what came of it.

    The table has a row for each; the exit code is 1 if one was not survived.
    """
    faults = {f"SIGKILL {i + 1}": _kill(i) for i in range(kills)} | FAULTS
    chosen = {n: f for n, f in faults.items() if not only or any(o in n for o in only)}
    rows, failed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(pathlib.Path(folder))
        for name, fault in chosen.items():
            print(f"survival: {name}", file=sys.stderr, flush=True)
            try:
                rows.append((name, fault(place)))
            except SurvivalError as error:
                failed += 1
                print(f"survival: {name} FAILED: {error}", file=sys.stderr, flush=True)
                first = (str(error).strip().splitlines() or [""])[-1]
                rows.append((name, f"FAILED: {first[:200]}"))
    text = text_table(("fault", "outcome"), rows, left=(0, 1))
    text = text.replace(folder, "FOLDER")
    print(text)
    if out is not None:
        out.write_text(f"# Faults and what came of them\n\n```\n{text}\n```\n")
    if failed:
        raise typer.Exit(1)


def _kill(number: int) -> Callable[[Workplace], str]:
    return lambda place: _killed.killed(place, number)
