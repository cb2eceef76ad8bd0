"""`funcnn predict`: classify images with a model that was trained."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import typer

from funcnn.cli._after import classify
from funcnn.cli._choices import MODELS
from funcnn.cli._faults import reported
from funcnn.cli._images import read_images
from funcnn.cli._run_folder import RunFolder, printable
from funcnn.data import DataError
from funcnn.training import load_weights

_MOST_CLASSES = 256  # labels are bytes
_MOST_SIDE = 2048  # of an image that a model is trained on
_SHOWN = 60  # characters of a value that is refused


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
    for name, (good, needed) in _NEEDED.items():
        if not good(config.get(name)):
            given = printable(json.dumps(config.get(name)))
            shown = given if len(given) <= _SHOWN else f"{given[:_SHOWN]}..."
            file = folder.path / "config.json"
            raise DataError(f"{file}: {name} is damaged: {shown} is not {needed}")
    net = MODELS[config["model"]](len(config["classes"]))
    example = jax.ShapeDtypeStruct((1, *config["image_shape"]), np.float32)
    like = jax.eval_shape(lambda: net.init(jax.random.key(0), example))
    return net, *load_weights(folder.weights, *like), config


def _is_model(value: Any) -> bool:
    return isinstance(value, str) and value in MODELS


def _are_classes(value: Any) -> bool:
    few = isinstance(value, list) and 0 < len(value) <= _MOST_CLASSES
    return few and all(isinstance(c, str) for c in value)


def _is_shape(value: Any) -> bool:
    three = isinstance(value, list) and len(value) == 3
    sides = three and all(type(n) is int and 0 < n <= _MOST_SIDE for n in value)
    return sides and math.prod(value) <= _MOST_SIDE**2


_NEEDED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (_is_model, " or ".join(MODELS)),
    "classes": (_are_classes, f"a list of up to {_MOST_CLASSES} names"),
    "image_shape": (
        _is_shape,
        f"[height, width, channels], each up to {_MOST_SIDE}",
    ),
}


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
        typer.echo(f"{name}  {printable(classes[best])}  {row[best]:.1%}")
