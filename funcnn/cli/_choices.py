"""What can be chosen by name on the command line."""

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import optax

from funcnn import models
from funcnn.data import (
    FASHION_MNIST_CLASSES,
    Dataset,
    digits,
    download,
    load_idx_folder,
)
from funcnn.data.sources import Name


class DataName(enum.StrEnum):
    """Data sets."""

    DIGITS = "digits"
    MNIST = "mnist"
    FASHION_MNIST = "fashion-mnist"


class ModelName(enum.StrEnum):
    """Models of `funcnn.models`."""

    MLP = "mlp"
    CNN = "cnn"


class OptimizerName(enum.StrEnum):
    """Optimizers of Optax."""

    ADAM = "adam"
    ADAMW = "adamw"
    SGD = "sgd"
    MOMENTUM = "momentum"


class ScheduleName(enum.StrEnum):
    """How the rate goes over a run."""

    COSINE = "cosine"
    CONSTANT = "constant"


class Precision(enum.StrEnum):
    """What is computed in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Partitioning(enum.StrEnum):
    """How parameters are split over a mesh."""

    REPLICATED = "replicated"
    FSDP = "fsdp"
    TENSOR = "tensor"
    BOTH = "fsdp+tensor"


class Gradients(enum.StrEnum):
    """Where gradients come from."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


MODELS: dict[str, Callable[[int], Any]] = {"mlp": models.mlp, "cnn": models.cnn}

DEFAULT_RATES = {"adam": 2e-3, "adamw": 2e-3, "sgd": 0.2, "momentum": 0.05}


def load_data(name: DataName, folder: Path | None) -> Dataset:
    """The data set, from `folder` if one is given."""
    fashion = name == DataName.FASHION_MNIST
    classes = FASHION_MNIST_CLASSES if fashion else 10
    if folder is not None:
        return load_idx_folder(folder, classes=classes)
    if name == DataName.DIGITS:
        return digits()
    return load_idx_folder(download(cast(Name, name.value)), classes=classes)


def make_optimizer(options: Any, steps: int) -> optax.GradientTransformation:
    """The optimizer of the options; a cosine schedule falls to 0 over all steps."""
    cosine = options.schedule == ScheduleName.COSINE
    rates = optax.cosine_decay_schedule(options.rate, steps) if cosine else options.rate
    makers = {
        "adam": optax.adam,
        "adamw": optax.adamw,
        "sgd": optax.sgd,
        "momentum": _momentum,
    }
    # injected, so that the rate is among the metrics
    optimizer = optax.inject_hyperparams(makers[options.optimizer.value])(rates)
    if options.clip is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(options.clip), optimizer)
    if options.skip_nonfinite:
        optimizer = optax.apply_if_finite(optimizer, options.skip_nonfinite)
    return optimizer


def _momentum(learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    return optax.sgd(learning_rate, momentum=0.9, nesterov=True)
