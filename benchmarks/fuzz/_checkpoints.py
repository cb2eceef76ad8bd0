"""Checkpoints: their progress and manifest, also where both were forged to fit."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz import _safetensors
from benchmarks.fuzz._json import heavy, texts
from benchmarks.fuzz._mutations import damaged
from benchmarks.fuzz._target import Files, Target
from funcnn.training import CheckpointError, Checkpoints
from funcnn.training._checkpoints._contents import FORMAT, _manifest
from funcnn.training._fit import _resumed
from funcnn.training._run import Epoch, Run
from funcnn.training._state import TrainState

_BATCHES = 4
_RUN = Run(epoch=2, current=Epoch(batch=2, counted=2, sums={"loss": 1.0}))
_RUN.history.append({"epoch": 1, "seconds": 1.0, "train_loss": 0.5})
_PROGRESS = {"format": FORMAT, "settings": {"seed": 0}, **_RUN.progress()}
_LIKE = TrainState(
    jax.numpy.zeros((), np.int32),
    {"a": np.zeros(2, np.float32)},
    (),
    (),
    jax.random.key(0),
)
_ARRAYS = _safetensors.built(
    *_safetensors.tensors(
        ("params.a", "F32", [2]), ("step", "I32", []), ("key", "U32", [2])
    )
)
_FILE, _MANIFEST = "train_state/arrays.safetensors", "manifest.json"


def sealed(files: Files) -> Files:
    """With the manifest that fits them."""
    hashes = {n: hashlib.sha256(files[n]).hexdigest() for n in sorted(files)}
    return {**files, _MANIFEST: _manifest(hashes).encode()}


_VALID = sealed({"progress.json": json.dumps(_PROGRESS).encode(), _FILE: _ARRAYS})


@st.composite
def _inputs(draw: Callable[[Any], Any]) -> Files:
    files = {"progress.json": _VALID["progress.json"], _FILE: _ARRAYS}
    which = draw(st.sampled_from(["progress", "progress", "arrays", "manifest"]))
    if which == "manifest":
        large = heavy('{"files":{"a":[%s0]}}')
        files[_MANIFEST] = draw(texts(json.loads(_VALID[_MANIFEST]), large))
        return _in_folder(files)
    if which == "progress":
        files["progress.json"] = draw(texts(_PROGRESS))
    else:
        files[_FILE] = draw(damaged([_ARRAYS]) | _safetensors.inputs())
    return _in_folder(sealed(files) if draw(st.integers(0, 9)) else files)


def _in_folder(files: Files) -> Files:
    return {f"00000001/{name}": content for name, content in files.items()}


def resealed(files: Files) -> Files:
    """With a manifest that fits, if these are a checkpoint."""
    if f"00000001/{_MANIFEST}" not in files:
        return files
    inside = {n.removeprefix("00000001/"): c for n, c in files.items()}
    del inside[_MANIFEST]
    return _in_folder(sealed(inside))


def _resume(folder: Path) -> object:
    checkpoints = Checkpoints(folder, settings={"seed": 0})
    with checkpoints.opened() as store:
        return _resumed(checkpoints, store, _LIKE, _BATCHES)


TARGETS = [
    Target(
        "checkpoint",
        _inputs(),
        _resume,
        (CheckpointError,),
        valid=_in_folder(_VALID),
        main="00000001/progress.json",
        share=10,
    )
]
