"""`funcnn predict`: classify images with a model that was trained."""

from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import typer

from funcnn.cli._after import classify
from funcnn.cli._choices import MODELS
from funcnn.cli._faults import reported
from funcnn.cli._images import read_images
from funcnn.cli._run_folder import RunFolder
from funcnn.data import DataError
from funcnn.training import load_weights


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder that `train` wrote.")],
    images: Annotated[list[Path], typer.Argument(help="PNG or IDX files.")],
) -> None:
    """Classifies images: name, class and probability of each, a line each.

    Pictures are made grey and scaled to the model's size; dark strokes on a bright
    ground are inverted. A file that cannot be read is reported, the others are
    classified all the same, and the exit code is 1.
    """
    with reported():
        net, params, state, config = _load(run)
        shape = tuple(config["image_shape"])
        failed = False
        for path in images:
            try:
                named = read_images(path, shape)
            except DataError as error:
                typer.echo(f"funcnn: {error}", err=True)
                failed = True
                continue
            _print(net, params, state, named, config["classes"])
        if failed:
            raise typer.Exit(1)


def _load(run: Path) -> tuple[Any, Any, Any, dict[str, Any]]:
    folder = RunFolder(run)
    config = folder.config()
    try:
        net = MODELS[config["model"]](len(config["classes"]))
        height, width, channels = config["image_shape"]
        example = jax.ShapeDtypeStruct((1, height, width, channels), np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{run}: config.json is damaged: {error!r}") from error
    like = jax.eval_shape(lambda: net.init(jax.random.key(0), example))
    return net, *load_weights(folder.weights, *like), config


def _print(
    net: Any,
    params: Any,
    state: Any,
    named: list[tuple[str, np.ndarray]],
    classes: list[str],
) -> None:
    logits = classify(net, params, state, np.stack([image for _, image in named]))
    probabilities = np.asarray(jax.nn.softmax(logits))
    for (name, _), row in zip(named, probabilities):
        best = int(row.argmax())
        typer.echo(f"{name}  {classes[best]}  {row[best]:.1%}")
