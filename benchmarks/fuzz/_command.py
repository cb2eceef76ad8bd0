"""The command ``python -m benchmarks.fuzz``."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from typing import Annotated, Any

import typer

from benchmarks.fuzz._meters import ENVIRONMENT
from benchmarks.fuzz._target import FLOOR, TIMES, NotSurvivedError
from benchmarks.fuzz._targets import TARGETS
from funcnn._tables import text_table

_AT_ONCE = 2000  # inputs of one process, as Hypothesis remembers all of them
_HEADER = (
    "parser",
    "inputs",
    "results",
    "errors of ours",
    "memory",
    "times",
    "seconds",
)


def fuzz(
    inputs: Annotated[int, typer.Option(help="Of all parsers together.", min=1)] = 1000,
    only: Annotated[
        list[str] | None, typer.Option(help="Only parsers with this in their name.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Begin nothing after so many.", min=0.0)
    ] = float("inf"),
    seed: Annotated[int, typer.Option(help="Another has other inputs.")] = 0,
    out: Annotated[
        pathlib.Path, typer.Option(help="Where an input is saved that was too much.")
    ] = pathlib.Path("not-survived"),
    atheris: Annotated[
        str | None,
        typer.Option(
            metavar="PARSER",
            help="Give this parser inputs that Atheris finds by coverage instead.",
        ),
    ] = None,
) -> None:
    """Gives parsers hostile files: an error of ours or a result is what may come of it.

    The table has a row for each: the largest memory of an input, and by how many times
    the input's size it was more than what any may take, and the longest time of CPU.
    The exit code is 1 if an input was not survived.
    """
    if atheris is not None:
        raise typer.Exit(_by_coverage(atheris, inputs))
    chosen = [n for n in TARGETS if not only or any(part in n for part in only)]
    if not chosen:
        raise typer.BadParameter(f"parsers are {', '.join(TARGETS)}")
    end = time.monotonic() + seconds
    done: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    failed = set()
    for name, start, count in _jobs(chosen, inputs):
        if time.monotonic() > end:
            break
        if name in failed:
            continue
        print(f"fuzz: {name} from {start:,}", file=sys.stderr, flush=True)
        try:
            done[name].append(_survive(name, count, seed + start, out))
        except NotSurvivedError as error:
            failed.add(name)
            print(f"fuzz: {name} FAILED: {error}", file=sys.stderr, flush=True)
    rows = [_row(name, done[name]) for name in chosen]
    total = sum(one["inputs"] for records in done.values() for one in records)
    print(text_table(_HEADER, rows, left=(0, 3)))
    print(f"\n{total:,} inputs; times: of the input, beyond {FLOOR >> 20} MiB,", end="")
    print(f" at most {TIMES}; seconds of CPU")
    if failed:
        raise typer.Exit(1)


def _jobs(names: list[str], inputs: int) -> list[tuple[str, int, int]]:
    """Name, first input and number of each process; all parsers get on equally far."""
    shares = sum(TARGETS[name].share for name in names)
    jobs = []
    for name in names:
        share = -(-inputs * TARGETS[name].share // shares)
        for start in range(0, share, _AT_ONCE):
            jobs.append((start / share, name, start, min(_AT_ONCE, share - start)))
    return [job[1:] for job in sorted(jobs)]


def _survive(name: str, inputs: int, seed: int, out: pathlib.Path) -> dict[str, Any]:
    """What came of the inputs.

    Raises:
      NotSurvivedError: for the first that was too much; it is saved.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "input"
        words = [name, str(inputs), str(seed), str(folder)]
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.fuzz._worker", *words],
            capture_output=True,
            text=True,
            env=os.environ | ENVIRONMENT,
        )
        if process.returncode:
            saved = out / f"{name.replace(': ', '-').replace(' ', '-')}-{seed}"
            shutil.rmtree(saved, ignore_errors=True)
            if folder.exists():
                shutil.copytree(folder, saved)
            last = (process.stderr.strip().splitlines() or ["no words"])[-1]
            how = f"ended with {process.returncode}: {last}"
            raise NotSurvivedError(f"{how}; the input is in {saved}")
    record: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return record


def _row(name: str, done: list[dict[str, Any]]) -> tuple[str, ...]:
    kinds: Counter[str] = sum((Counter(one["kinds"]) for one in done), Counter())
    results = kinds.pop("result", 0)
    errors = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    most = {n: max((d[n] for d in done), default=0) for n in _MEASURED}
    return (
        name,
        f"{sum(one['inputs'] for one in done):,}",
        f"{results:,}",
        errors,
        f"{most['memory'] / 2**20:.1f} MiB",
        f"{most['times']:.1f}",
        f"{most['seconds']:.2f}",
    )


_MEASURED = ("memory", "times", "seconds")


def _by_coverage(name: str, inputs: int) -> int:
    words = [sys.executable, "-m", "benchmarks.fuzz._coverage", name, str(inputs)]
    return subprocess.run(words, check=False).returncode
