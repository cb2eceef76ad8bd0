"""`funcnn plot`: runs beside each other."""

import io
from pathlib import Path
from typing import Annotated, Any

import typer

from funcnn import plots
from funcnn._files import write_whole
from funcnn.cli._faults import InputError, reported
from funcnn.cli._run_folder import RunFolder

_IN_TERMINAL = 6  # curves that can be told apart without colours


def plot(
    runs: Annotated[list[Path], typer.Argument(help="Run folders that `train` wrote.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="A figure of metrics.jsonl, such as train_loss; may be repeated.",
            show_default="test_accuracy and test_loss",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write PNG files of this name too, the metric's name added to it."
        ),
    ] = None,
) -> None:
    """Draws a figure of several runs by epoch, in the terminal and as PNG."""
    with reported():
        records = _records(runs)
        for name in metric or ["test_accuracy", "test_loss"]:
            series = _series(records, name)
            labels: dict[str, Any] = {"x_label": "epoch", "y_label": name}
            if len(series) <= _IN_TERMINAL:
                typer.echo(plots.terminal_lines(series, title=name, **labels) + "\n")
            else:
                typer.echo(f"{name}: {len(series)} runs, too many for the terminal")
            if out is not None:
                file = out.with_name(f"{out.stem}-{name}.png")
                figure = plots.lines(series, title=name, **labels)
                buffer = io.BytesIO()
                figure.savefig(buffer, format="png", dpi=150)
                write_whole(file, buffer.getvalue())
                typer.echo(f"saved in {file}")


def _records(runs: list[Path]) -> dict[str, list[dict[str, Any]]]:
    """The records of each run by its name; by its path where names are equal."""
    names = [run.resolve().name for run in runs]
    found = {}
    for run, name in zip(runs, names):
        folder = RunFolder(run)
        folder.config()  # is it a run?
        records = folder.records()
        if not records:
            raise InputError(f"{run}: no epoch has been finished")
        found[str(run) if names.count(name) > 1 else name] = records
    return found


def _series(
    records: dict[str, list[dict[str, Any]]], metric: str
) -> dict[str, tuple[list[float], list[float]]]:
    series = {}
    for name, rows in records.items():
        points = [
            (row["epoch"], row[metric])
            for row in rows
            if all(isinstance(row.get(key), int | float) for key in ("epoch", metric))
        ]
        if not points:
            known = ", ".join(sorted(set(rows[-1]) - {"epoch"}))
            raise InputError(f"{name} has no {metric}; it has {known}")
        xs, ys = zip(*points)
        series[name] = (list(xs), list(ys))
    return series
