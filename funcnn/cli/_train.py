"""`funcnn train`: learn to classify images, and see what the gradients are worth."""

import contextlib
import importlib
import platform
import threading
import types
from pathlib import Path
from typing import Annotated, Any

import jax
import typer

import funcnn
from funcnn.cli._choices import (
    DEFAULT_RATES,
    MODELS,
    DataName,
    Gradients,
    ModelName,
    OptimizerName,
    Precision,
    ScheduleName,
    load_data,
    make_optimizer,
)
from funcnn.cli._distributed import joined
from funcnn.cli._ending import end
from funcnn.cli._faults import InputError, reported
from funcnn.cli._profile import progress_of
from funcnn.cli._resume import resumed_options
from funcnn.cli._run_folder import RunFolder
from funcnn.data import Dataset, count_batches
from funcnn.errors import LaunchError
from funcnn.parallel import make_mesh
from funcnn.parallel._batch import check_rows
from funcnn.parallel._processes import path_from_first
from funcnn.training import (
    CheckpointError,
    Checkpoints,
    JsonLines,
    TensorBoard,
    TrainState,
    accuracy,
    fit,
    supervised,
)

_MOST = 2**31 - 1  # what JAX counts in


def train(
    ctx: typer.Context,
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
    epochs: Annotated[
        int, typer.Option(min=1, max=_MOST, help="Passes over the data.")
    ] = 12,
    batch_size: Annotated[
        int, typer.Option(min=1, max=_MOST, help="Examples per step.")
    ] = 64,
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
    clip: Annotated[
        float | None,
        typer.Option(min=0.0, help="Scale gradients whose norm is larger down to it."),
    ] = None,
    accumulate: Annotated[
        int,
        typer.Option(
            min=1,
            max=_MOST,
            help="Go through a batch in so many parts, for the memory of one.",
        ),
    ] = 1,
    precision: Annotated[
        Precision,
        typer.Option(help="Of the computation; parameters are trained in float32."),
    ] = Precision.FLOAT32,
    skip_nonfinite: Annotated[
        int,
        typer.Option(
            min=0,
            max=_MOST,
            help="So many steps in a row whose gradient is not finite are left out; "
            "with the next one, or with 0 the first, the run stops.",
        ),
    ] = 0,
    out: Annotated[
        Path, typer.Option(help="Where run folders are made; every run gets a new one.")
    ] = Path("runs"),
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with the run in this folder, from its newest checkpoint, with "
            "its own options; it ends with the bits of a run that was never ended.",
        ),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MOST,
            show_default="every epoch",
            help="Steps from one checkpoint to the next.",
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option(help="Write event files for TensorBoard as well.")
    ] = False,
    profile: Annotated[
        bool,
        typer.Option(
            help="Write a trace of 20 steps, which ui.perfetto.dev opens, into the run."
        ),
    ] = False,
    distributed: Annotated[
        bool,
        typer.Option(
            help="Train in all processes that srun, mpirun or Kubernetes has started, "
            "each batch split over all their devices; the first one writes the run."
        ),
    ] = False,
) -> None:
    """Trains an image classifier and compares its gradients with automatic ones.

    Writes config.json, metrics.jsonl, checkpoints, params.safetensors, curves.png and
    mistakes.png into a run folder of its own. Ctrl-C and SIGTERM stop after the
    current step and save what was learned; --resume goes on from there, and from where
    a run was killed.
    """
    options = {name: value for name, value in locals().items() if name != "ctx"}
    with reported(), joined(distributed), reported():
        if resume is not None:
            options = resumed_options(ctx, train, options)
        _train(types.SimpleNamespace(**options))


def _train(options: Any) -> None:
    if options.batch_size % options.accumulate:
        raise InputError(
            f"--accumulate {options.accumulate} must divide the --batch-size "
            f"{options.batch_size}"
        )
    mesh = make_mesh() if options.distributed else None
    if mesh is not None:
        try:
            check_rows((options.batch_size,), mesh, options.accumulate)
        except ValueError as error:
            raise InputError(f"--batch-size {options.batch_size}: {error}") from None
    dataset = load_data(options.data, options.data_dir)
    images, _ = dataset.train
    steps = options.epochs * count_batches(len(images), options.batch_size)
    if options.rate is None:
        options.rate = DEFAULT_RATES[options.optimizer.value]
    transformation = make_optimizer(options, steps)
    net = MODELS[options.model.value](len(dataset.classes))
    example_shape = (options.batch_size, *images.shape[1:])
    example = jax.ShapeDtypeStruct(example_shape, images.dtype)
    typer.echo(f"{len(images):,} training and {len(dataset.test[0]):,} test images")
    typer.echo(f"\n{funcnn.summary(net, example)}\n")
    folder = _run_folder(options, net, dataset)
    _import_beside("matplotlib.backends.backend_agg")

    loss_fn = supervised(net, funcnn.softmax_cross_entropy, {"accuracy": accuracy})
    automatic = options.gradients == Gradients.AUTOMATIC
    with progress_of(folder, options) as progress:
        state, history = fit(
            funcnn.autodiff(loss_fn) if automatic else loss_fn,
            transformation,
            TrainState.create(
                net, transformation, jax.random.key(options.seed), example, mesh=mesh
            ),
            dataset.train,
            dataset.test,
            epochs=options.epochs,
            batch_size=options.batch_size,
            seed=options.seed,
            progress=progress,
            checkpoints=_checkpoints(folder, options, net),
            sinks=_sinks(folder, options),
            accumulate=options.accumulate,
            precision=options.precision.value,
            mesh=mesh,
        )
    end(folder, history, net, state, dataset, loss_fn)


def _import_beside(module: str) -> None:
    """Begins to import what the end needs, while XLA compiles the step."""

    def load() -> None:
        with contextlib.suppress(ImportError):  # the end will say so
            importlib.import_module(module)

    threading.Thread(target=load, daemon=True).start()


def _run_folder(options: Any, net: Any, dataset: Dataset) -> RunFolder:
    if options.resume is not None:
        return _resumable(RunFolder(options.resume))
    plain = {name: _plain(value) for name, value in vars(options).items()}
    del plain["resume"], plain["distributed"]
    own = options.data_dir if options.data == DataName.DIGITS else None
    source = own.resolve().name if own else options.data.value
    config = plain | _circumstances(net, dataset)
    name = f"{source}-{options.model.value}"
    return RunFolder(
        path_from_first(
            lambda: RunFolder.create(options.out, name, config).path, LaunchError
        )
    )


def _resumable(folder: RunFolder) -> RunFolder:
    """The folder, unless beginning anew would overwrite what it has."""
    begun = folder.weights.exists() or any(True for _ in folder.records())
    if begun and not Checkpoints(folder.checkpoints).paths():
        version = folder.config().get("funcnn_version")
        raise CheckpointError(
            f"{folder.path} has no checkpoint to go on from: it was made by funcnn "
            f"{version}; `funcnn predict` takes its parameters"
        )
    return folder


def _checkpoints(folder: RunFolder, options: Any, net: Any) -> Checkpoints:
    decisive = "epochs optimizer rate schedule gradients clip accumulate precision"
    names = [*decisive.split(), "skip_nonfinite"]
    settings = {name: _plain(getattr(options, name)) for name in names}
    return Checkpoints(
        folder.checkpoints,
        every=options.checkpoint_every,
        keep=2,
        keep_best=1,
        settings={**settings, "layers": repr(net)},
    )


def _sinks(folder: RunFolder, options: Any) -> list[Any]:
    lines = JsonLines(folder.metrics)
    events = [TensorBoard(folder.path / "tensorboard")] if options.tensorboard else []
    return [lines, *events]


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
