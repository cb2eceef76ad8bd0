"""`funcnn plot`: runs beside each other."""

import array
import io
from pathlib import Path
from typing import Annotated, Any

import typer

from funcnn import plots
from funcnn._files import write_whole
from funcnn.cli._faults import InputError, reported
from funcnn.cli._run_folder import RunFolder, number, printable

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
        folders = _folders(runs)
        for name in metric or ["test_accuracy", "test_loss"]:
            series = _series(folders, name)
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


def _folders(runs: list[Path]) -> dict[str, RunFolder]:
    """Each run by its name, with so much of its path as tells it from the others."""
    found = {}
    for name, run in zip(_names(runs), runs):
        folder = RunFolder(run)
        folder.config()  # is it a run?
        if not any(True for _ in folder.records()):
            raise InputError(f"{run}: no epoch has been finished")
        found[name] = folder
    return found


def _names(runs: list[Path]) -> list[str]:
    paths = [run.resolve().parts for run in runs]
    longest = max(map(len, paths))
    for length in range(1, longest + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names


def _series(
    folders: dict[str, RunFolder], metric: str
) -> dict[str, tuple[array.array, array.array]]:
    series = {}
    for name, folder in folders.items():
        # Numbers alone: a run may have many records.
        xs, ys = array.array("d"), array.array("d")
        row: dict[str, Any] = {}
        for row in folder.records():
            x, y = number(row.get("epoch")), number(row.get(metric))
            if x is not None and y is not None:
                xs.append(x)
                ys.append(y)
        if not xs:
            known = printable(", ".join(sorted(set(row) - {"epoch"})))
            raise InputError(f"{name} has no {metric}; it has {known}")
        series[name] = (xs, ys)
    return series
