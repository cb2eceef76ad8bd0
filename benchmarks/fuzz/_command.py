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
from benchmarks.fuzz._target import FLOOR, TIMES
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
    shares = sum(TARGETS[name].share for name in chosen)
    end = time.monotonic() + seconds
    rows, failed = [], False
    for name in chosen:
        share = -(-inputs * TARGETS[name].share // shares)
        done, fault = _survive(name, share, seed, end, out)
        rows.append(_row(name, done))
        failed = failed or bool(fault)
        if fault:
            print(f"fuzz: {name} FAILED: {fault}", file=sys.stderr)
    total = sum(int(row[1].replace(",", "")) for row in rows)
    print(text_table(_HEADER, rows, left=(0, 3)))
    print(f"\n{total:,} inputs; times: of the input, beyond {FLOOR >> 20} MiB,", end="")
    print(f" at most {TIMES}; seconds of CPU")
    if failed:
        raise typer.Exit(1)


def _survive(
    name: str, inputs: int, seed: int, end: float, out: pathlib.Path
) -> tuple[list[dict[str, Any]], str]:
    """What came of the inputs, and of the first that was not survived."""
    done: list[dict[str, Any]] = []
    for start in range(0, inputs, _AT_ONCE):
        if time.monotonic() > end:
            break
        count = min(_AT_ONCE, inputs - start)
        print(f"fuzz: {name} {start:,} of {inputs:,}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / "input"
            words = [name, str(count), str(seed + start), str(folder)]
            process = subprocess.run(
                [sys.executable, "-m", "benchmarks.fuzz._worker", *words],
                capture_output=True,
                text=True,
                env=os.environ | ENVIRONMENT,
            )
            if process.returncode:
                saved = out / f"{name.replace(': ', '-').replace(' ', '-')}-{seed}"
                shutil.rmtree(saved, ignore_errors=True)
                shutil.copytree(folder, saved)
                last = (process.stderr.strip().splitlines() or ["no words"])[-1]
                how = f"ended with {process.returncode}: {last}"
                return done, f"{how}; the input is in {saved}"
        done.append(json.loads(process.stdout.splitlines()[-1]))
    return done, ""


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
