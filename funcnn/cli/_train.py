"""`funcnn train`: learn to classify images, and see what the gradients are worth."""

import platform
from pathlib import Path
from typing import Annotated, Any

import jax
import typer

import funcnn
from funcnn import plots
from funcnn.cli._after import compare_in_float64, find_mistakes
from funcnn.cli._choices import (
    DEFAULT_RATES,
    MODELS,
    DataName,
    Gradients,
    ModelName,
    OptimizerName,
    ScheduleName,
    load_data,
    make_optimizer,
)
from funcnn.cli._faults import reported
from funcnn.cli._run_folder import RunFolder
from funcnn.data import Dataset, count_batches
from funcnn.training import (
    History,
    TrainState,
    accuracy,
    fit,
    save_weights,
    supervised,
)


def train(
    data: Annotated[
        DataName, typer.Option(help="digits ship with funcnn; the others are fetched.")
    ] = DataName.DIGITS,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Read the four IDX files of this folder, gzipped or not; with --data "
            "fashion-mnist the classes get its names."
        ),
    ] = None,
    model: Annotated[ModelName, typer.Option(help="The net to train.")] = ModelName.CNN,
    optimizer: Annotated[
        OptimizerName, typer.Option(help="The optimizer, of Optax.")
    ] = OptimizerName.ADAM,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            show_default=", ".join(f"{k} {v}" for k, v in DEFAULT_RATES.items()),
            help="Learning rate, at the start.",
        ),
    ] = None,
    schedule: Annotated[
        ScheduleName, typer.Option(help="cosine falls to 0 over the run.")
    ] = ScheduleName.COSINE,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the data.")] = 12,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples per step.")] = 64,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**32 - 1, help="Of parameters, dropout and the data's order."
        ),
    ] = 0,
    gradients: Annotated[
        Gradients,
        typer.Option(help="The rules written by hand, or automatic differentiation."),
    ] = Gradients.MANUAL,
    out: Annotated[
        Path, typer.Option(help="Where run folders are made; every run gets a new one.")
    ] = Path("runs"),
) -> None:
    """Trains an image classifier and compares its gradients with automatic ones.

    Writes config.json, metrics.jsonl, params.safetensors, curves.png and mistakes.png
    into a run folder of its own. Ctrl-C stops after the current step and saves what
    was learned.
    """
    options = {name: _plain(value) for name, value in locals().items()}
    with reported():
        dataset = load_data(data, data_dir)
        images, labels = dataset.train
        steps = epochs * count_batches(len(images), batch_size)
        rate = DEFAULT_RATES[optimizer.value] if rate is None else rate
        transformation = make_optimizer(optimizer, rate, schedule, steps)
        net = MODELS[model.value](len(dataset.classes))
        example = jax.ShapeDtypeStruct((batch_size, *images.shape[1:]), images.dtype)
        typer.echo(f"{len(images):,} training and {len(dataset.test[0]):,} test images")
        typer.echo(f"\n{funcnn.summary(net, example)}\n")
        config = {**options, "rate": rate} | _circumstances(net, dataset)
        own = data_dir if data == DataName.DIGITS else None
        source = own.resolve().name if own else data.value
        folder = RunFolder.create(out, f"{source}-{model.value}", config)

        loss_fn = supervised(net, funcnn.softmax_cross_entropy, {"accuracy": accuracy})
        state, history = fit(
            funcnn.autodiff(loss_fn) if gradients == Gradients.AUTOMATIC else loss_fn,
            transformation,
            TrainState.create(net, transformation, jax.random.key(seed), example),
            dataset.train,
            dataset.test,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            on_epoch=lambda _, record: folder.append_metrics(record),
        )
        save_weights(folder.weights, state.params, state.state)
        if history.interrupted:
            typer.echo(f"interrupted after {int(state.step):,} steps")
        typer.echo(f"saved in {folder.path}")
        _show(folder, history, net, state, dataset)
        if history.interrupted:
            raise typer.Exit(130)
        report = compare_in_float64(loss_fn, state, dataset.test)
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


def _circumstances(net: Any, dataset: Dataset) -> dict[str, Any]:
    return {
        "classes": list(dataset.classes),
        "image_shape": list(dataset.train[0].shape[1:]),
        "layers": repr(net),
        "funcnn_version": funcnn.__version__,
        "jax_version": jax.__version__,
        "python_version": platform.python_version(),
        "device": jax.devices()[0].device_kind,
    }


def _plain(value: Any) -> Any:
    """An option as JSON has it."""
    return str(value) if isinstance(value, str | Path) else value
