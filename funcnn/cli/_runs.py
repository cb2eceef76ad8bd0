"""`funcnn runs`: what was trained here, and how it went."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from funcnn._tables import text_table
from funcnn.cli._faults import reported
from funcnn.cli._run_folder import RunFolder, number, printable
from funcnn.data import DataError
from funcnn.training import Checkpoints

_COLUMNS = (
    "run",
    "model",
    "optimizer",
    "epochs",
    "state",
    "test accuracy",
    "test loss",
    "seconds",
    "checkpoint",
)
_WIDEST = 60  # characters of a cell


def runs(
    folder: Annotated[
        Path, typer.Argument(help="Where run folders are, as for `train --out`.")
    ] = Path("runs"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Every run as a line of JSON instead.")
    ] = False,
) -> None:
    """Lists the runs of a folder, from the oldest: figures of their last epoch.

    A run is running, done, or ended before its last epoch; that one can be gone on
    with, by `train --resume`, if it has a checkpoint. What cannot be read is named and
    left out, and the exit code is 1.
    """
    with reported():
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
        rows, failed = [], False
        for path in sorted(p for p in folder.iterdir() if p.is_dir()):
            try:
                rows.append(_row(RunFolder(path)))
            except DataError as error:
                typer.echo(f"funcnn: {error}", err=True)
                failed = True
        if as_json:
            for row in rows:
                typer.echo(json.dumps(row))
        elif rows:
            typer.echo(text_table(_COLUMNS, [_cells(row) for row in rows]))
        else:
            typer.echo(f"no runs in {folder}")
        if failed:
            raise typer.Exit(1)


def _row(folder: RunFolder) -> dict[str, Any]:
    config = folder.config()
    last: dict[str, Any] = {}
    seconds = 0.0
    for last in folder.records():
        seconds += number(last.get("seconds")) or 0.0
    epoch, epochs = last.get("epoch", 0), config.get("epochs")
    checkpoints = Checkpoints(folder.checkpoints)
    state = "done" if epoch == epochs else "ended early"
    return {
        "run": folder.path.name,
        "model": config.get("model"),
        "optimizer": config.get("optimizer"),
        "epochs": f"{epoch}/{epochs}",
        "state": "running" if checkpoints.in_use() else state,
        "test accuracy": last.get("test_accuracy"),
        "test loss": last.get("test_loss"),
        "seconds": seconds,
        "checkpoint": next((p.name for p in reversed(checkpoints.paths())), None),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    accuracy, loss = row["test accuracy"], row["test loss"]
    shown = {
        "test accuracy": f"{accuracy:.2%}" if isinstance(accuracy, float) else "",
        "test loss": f"{loss:.4f}" if isinstance(loss, float) else "",
        "seconds": f"{row['seconds']:.1f}",
    }
    texts = {name: "" if row[name] is None else _cell(row[name]) for name in _COLUMNS}
    return [(texts | shown)[name] for name in _COLUMNS]


def _cell(value: Any) -> str:
    """A text that keeps to its place."""
    shown = printable(str(value))
    return shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…"
