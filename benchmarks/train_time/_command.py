"""The command ``python -m benchmarks train``."""

import pathlib
import re
import subprocess
import sys
import tempfile
import time
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks._written import OUT, write
from funcnn._tables import text_table

_COMMANDS = {
    "funcnn train": ["funcnn", "train"],
    "funcnn, a script": ["benchmarks.train_time._funcnn"],
    "Flax NNX": ["benchmarks.train_time._flax_nnx"],
    "PyTorch": ["benchmarks.train_time._torch"],
}
_NOTE = """\
Seconds of whole processes, with their start and compilation, which take turns; the
same net, data, order, optimizer and schedule. `funcnn train` also writes pictures, and
compares its gradients with automatic ones in float64; the scripts train alone. Ratios
are those of `funcnn train` to each."""


def train(
    rounds: Annotated[int, typer.Option(help="Processes of each.", min=1)] = 3,
    out: Annotated[pathlib.Path, typer.Option(help="Folder of what is written.")] = OUT,
) -> None:
    """The whole of `funcnn train` beside the same training in Flax and PyTorch.

    Writes train.json and train.md.
    """
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in _COMMANDS}
    try:
        for number in range(rounds):
            for name, command in _COMMANDS.items():
                print(f"train: {name}, {number + 1} of {rounds}", file=sys.stderr)
                runs[name] += _run(command)
    except KeyboardInterrupt:
        print("interrupted; what was measured is written", file=sys.stderr)
    text = _table(runs)
    record: dict[str, Any] = {"runs": runs}
    title = "Training digits, whole processes"
    write(out, "train", title, f"{_NOTE}\n\n```\n{text}\n```", record)
    print(text)


def _run(command: list[str]) -> list[dict[str, float]]:
    """Seconds and accuracy of one process; nothing where a package is missing."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        runs = ["--out", folder] if command[0] == "funcnn" else []
        done = subprocess.run(
            [sys.executable, "-m", *command, *runs],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    found = re.findall(r"test accuracy ([\d.]+)%", done.stdout)
    if done.returncode and "ModuleNotFoundError" in done.stderr:
        return []
    if done.returncode or not found:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return [{"seconds": seconds, "accuracy": float(found[-1]) / 100}]


def _table(runs: dict[str, list[dict[str, float]]]) -> str:
    ours = [run["seconds"] for run in runs["funcnn train"]]
    rows = []
    for name, own in runs.items():
        if not own:
            rows.append([name, "not installed: pip install 'funcnn[benchmarks]'"])
            continue
        seconds = [run["seconds"] for run in own]
        accuracies = [run["accuracy"] for run in own]
        ratio = np.median([a / b for a, b in zip(ours, seconds)])
        ends = f"{min(accuracies):.2%} to {max(accuracies):.2%}"
        cells = [f"{np.median(seconds):.1f}", ends, f"{ratio:.2f}"]
        rows.append([name, *cells])
    header = ["", "seconds", "test accuracy", "funcnn train over it"]
    filled = [row + [""] * (len(header) - len(row)) for row in rows]
    return text_table(header, filled)
