"""The end of `funcnn train`: what is saved and shown of a run, however it ended."""

import signal
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import typer

from funcnn import plots
from funcnn.cli._after import compare_in_float64, find_mistakes
from funcnn.cli._distributed import alone, together
from funcnn.cli._run_folder import RunFolder
from funcnn.data import Dataset
from funcnn.gradients import Report
from funcnn.parallel._processes import is_first
from funcnn.training import History, LossFunction, TrainState, save_weights


def end(
    folder: RunFolder,
    history: History,
    net: Any,
    state: TrainState,
    dataset: Dataset,
    loss_fn: LossFunction,
) -> None:
    """Saves and shows what came of it; after a signal only what cannot wait."""
    save_weights(folder.weights, state.params, state.state)
    if history.interrupted:
        typer.echo(f"interrupted after {int(state.step):,} steps")
    typer.echo(f"saved in {folder.path}")
    lost = history.not_saved or history.not_told
    if lost:
        raise OSError(None, f"not everything was saved: {lost}")
    if history.interrupted:
        typer.echo(f"to go on: funcnn train --resume {folder.path}")
    # who sent SIGTERM will not wait for long
    if is_first() and history.signal != signal.SIGTERM:
        state = alone(state)
        with ThreadPoolExecutor(1) as beside:  # XLA compiles while pictures are drawn
            report = None
            if not history.interrupted:
                report = beside.submit(compare_in_float64, loss_fn, state, dataset.test)
            _show(folder, history, net, state, dataset)
        if report is not None:
            _say(folder, history, report)
    if history.interrupted:
        together("end of an interrupted run")
        raise typer.Exit(128 + history.signal)


def _say(folder: RunFolder, history: History, compared: Future[Report]) -> None:
    """The gradients of the net that was learned, and its figures."""
    report = compared.result()
    typer.echo(f"\n{report}")
    worst = max(row.relative_error for row in report.rows)
    typer.echo(f"largest difference: {worst:.1e} of a leaf's largest entry")
    final = history[-1]
    typer.echo(
        f"\ntest accuracy {final['test_accuracy']:.2%}, "
        f"loss {final['test_loss']:.4f}; the run is in {folder.path}"
    )


def _show(
    folder: RunFolder, history: History, net: Any, state: TrainState, dataset: Dataset
) -> None:
    """The curves in the terminal, and the pictures in the folder."""
    if not history:
        return
    typer.echo(f"\n{plots.terminal_curves(history)}")
    folder.write_figure("curves.png", plots.learning_curves(history))
    wrong = find_mistakes(net, state, dataset)
    figure = plots.guesses(
        wrong.images,
        wrong.truths,
        wrong.guesses,
        classes=dataset.classes,
        title=f"{wrong.total} of {len(dataset.test[0]):,} test images guessed wrong",
    )
    folder.write_figure("mistakes.png", figure)
