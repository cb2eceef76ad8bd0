"""Numbers and files that nothing can be learned from."""

from typing import Any

import jax
import numpy as np
import optax

import funcnn as fn
from benchmarks.survival._runs import Workplace, needed


def nan_in_batch(place: Workplace) -> str:
    """A batch with one NaN in the second epoch's reach."""
    error, state = _stopped(place, "nan", image=np.nan)
    needed("argument" in error and "not finite" in error, error)
    return f"stops before it: {error.splitlines()[0]}" if state else ""


def label_out_of_range(place: Workplace) -> str:
    """A label that names no class."""
    error, _ = _stopped(place, "label", label=11)
    return f"stops before it: {error.splitlines()[0]}"


def nan_skipped(place: Workplace) -> str:
    """The same batch, with `optax.apply_if_finite`."""
    optimizer = optax.apply_if_finite(optax.adam(1e-3), 3)
    state, history = _fit(place.new("skipped"), _data(image=np.nan), optimizer)
    needed(all(np.isfinite(x).all() for x in jax.tree.leaves(state.params)), "a NaN")
    skipped = [record.get("skipped_steps") for record in history]
    needed(skipped == [1, 1], f"skipped {skipped}")
    return "one step of each epoch is skipped and counted; the parameters are finite"


def damaged_file(place: Workplace) -> str:
    """A file of images that is cut."""
    from benchmarks.survival._damaged import other_data

    folder = other_data(place)
    file = folder / "train-images-idx3-ubyte"
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    done = place.train(place.new("cut"), "--data-dir", folder)
    file.write_bytes(content)
    needed(done.returncode == 1, done.stdout)
    needed("truncated" in done.stderr and file.name in done.stderr, done.stderr)
    needed(not place.new("cut").exists(), "a run folder was made")
    return "named before anything is written; exit code 1"


def _data(image: float | None = None, label: int | None = None) -> Any:
    images, labels = (array[:640].copy() for array in fn.data.digits().train)
    if image is not None:
        images[100, 3, 3] = image
    if label is not None:
        labels[100] = label
    return images, labels


def _fit(folder: Any, data: Any, optimizer: Any) -> Any:
    model = fn.models.mlp(10)
    loss_fn = fn.training.supervised(model, fn.softmax_cross_entropy)
    state = fn.training.TrainState.create(
        model, optimizer, jax.random.key(0), data[0][:64]
    )
    options: dict[str, Any] = {"epochs": 2, "batch_size": 64, "progress": False}
    checkpoints = fn.training.Checkpoints(folder, every=1)
    return fn.training.fit(
        loss_fn, optimizer, state, data, checkpoints=checkpoints, **options
    )


def _stopped(place: Workplace, name: str, **spoiled: Any) -> tuple[str, Any]:
    folder = place.new(name)
    try:
        _fit(folder, _data(**spoiled), optax.adam(1e-3))
    except fn.training.NonFiniteError as error:
        state, message = error.train_state, str(error)
    else:
        needed(False, "the run went on")
    good = all(np.isfinite(x).all() for x in jax.tree.leaves(state.params))
    needed(good, "the parameters have a NaN")
    newest = fn.training.Checkpoints(folder).paths()[-1]
    needed(str(newest) in message, message)
    return message, state
