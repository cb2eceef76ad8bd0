"""Checkpoints and weights that were forged: their manifest fits, and still they lie."""

import json
import os
import pathlib
import shutil
import struct

import jax
import numpy as np
import pytest
from training_examples import ADAM, MODEL, fitted, train_state

from funcnn.training import CheckpointError, Checkpoints, WeightsError, load_weights
from funcnn.training._checkpoints._contents import _seal


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    fitted(epochs=1, checkpoints=Checkpoints(folder, every=3, keep=1))
    return folder


@pytest.fixture
def forged(whole, tmp_path):
    """Changes the progress, and the manifest after it."""

    def forge(change):
        (path,) = Checkpoints(whole).paths()
        other = shutil.copytree(path, tmp_path / path.name)
        file = other / "progress.json"
        progress = change(json.loads(file.read_text()))
        file.write_text(progress if isinstance(progress, str) else json.dumps(progress))
        (other / "manifest.json").unlink()
        _seal(other)
        return tmp_path

    return forge


def without(name):
    return lambda p: {n: v for n, v in p.items() if n != name}


def current(**changes):
    return lambda p: p | {"current": p["current"] | changes}


@pytest.mark.filterwarnings("ignore:checkpoint .* is left out")
@pytest.mark.parametrize(
    "change",
    [
        *map(without, ["settings", "versions", "current", "records", "epoch"]),
        lambda p: [],
        lambda p: "[" * 10**5,
        lambda p: "nothing",
        lambda p: p | {"settings": []},
        lambda p: p | {"epoch": "2"},
        lambda p: p | {"epoch": 10**30},
        lambda p: p | {"epoch": True},
        lambda p: p | {"records": []},
        lambda p: p | {"records": [{"epoch": 1}]},
        lambda p: p | {"versions": None},
        current(batch=-1),
        current(batch=99),
        current(batch=3),
        current(unknown=1),
        current(sums=[1]),
        current(sums={"loss": 1.0}),
        current(sums={"loss": 10**400}, counted=1),
        current(seconds=None),
    ],
)
def test_a_progress_that_fit_does_not_write_is_refused(forged, change):
    folder = forged(change)
    with pytest.raises(CheckpointError):
        fitted(epochs=2, checkpoints=folder)


def test_a_progress_that_fit_writes_is_gone_on_with(forged):
    _, history = fitted(epochs=2, checkpoints=forged(lambda p: p))
    assert len(history) == 2


@pytest.mark.filterwarnings("ignore:checkpoint .* is left out")
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_is_not_read(whole, tmp_path, kind):
    (path,) = Checkpoints(whole).paths()
    other = shutil.copytree(path, tmp_path / path.name)
    array = other / "train_state" / "arrays.safetensors"
    array.unlink()
    if kind == "pipe":
        os.mkfifo(array)
    else:
        array.symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match="is no file"):
        Checkpoints(tmp_path).newest(train_state(MODEL, ADAM))


def file_of(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.parametrize("shape", [[0, 2**63 - 1], [0, 2**63 - 1, 2**63 - 1], [0] * 65])
def test_shapes_that_numpy_has_not_are_refused(tmp_path: pathlib.Path, shape):
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    file = file_of(tmp_path / "x", {"params.a": entry})
    like = {"a": jax.ShapeDtypeStruct((0,), np.float32)}
    with pytest.raises(WeightsError, match=r"x: "):
        load_weights(file, like)


def test_a_header_of_very_many_arrays_is_refused(tmp_path):
    entry = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    file = file_of(tmp_path / "x", {f"{i:x}": entry for i in range(30_000)})
    with pytest.raises(WeightsError, match="too many small parts"):
        load_weights(file, {})
