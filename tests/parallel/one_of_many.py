"""One process of several that train together; `test_several_processes` runs it."""

import json
import os
import pathlib
import signal
import sys

import jax

RANK, PROCESSES, PORT, DIES = map(int, sys.argv[1:5])
FOLDER = pathlib.Path(sys.argv[5])
jax.config.update("jax_num_cpu_devices", 4 // PROCESSES)
if PROCESSES > 1:
    jax.distributed.initialize(f"127.0.0.1:{PORT}", PROCESSES, RANK)

import numpy as np  # noqa: E402 (JAX is told of the other processes first)
from sharded_examples import (  # noqa: E402
    MIXTURE,
    OPTIMIZER,
    digits,
    parallel,
    started,
    training,
)

from funcnn.parallel import _batch, _processes  # noqa: E402

MESH, EXAMPLE = parallel.make_mesh(2, 2), digits()
IMAGES, LABELS = (np.concatenate(parts) for parts in zip(*EXAMPLE.batches))


class Asked:
    """An array that keeps which rows it was asked for."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.rows = array, array.shape, "f4", set()

    def __getitem__(self, rows):
        self.rows |= set(rows.tolist())
        return self.array[rows]


def own_rows():
    """The rows that are read for a batch; and that batches are made of hosts' parts."""
    asked, rows = Asked(IMAGES), np.arange(16)[::-1]
    (batch,) = _batch.rows_on((asked,), rows, MESH)
    own = rows.reshape(PROCESSES, -1)[RANK]
    parts = parallel.shard_batch(IMAGES[own], MESH)
    assert parts.shape == batch.shape
    assert parts.sharding == batch.sharding
    for one, other in zip(parts.addressable_shards, batch.addressable_shards):
        assert one.index == other.index
        assert np.array_equal(one.data, other.data)
    return sorted(asked.rows)


def dies(train_state, record):
    """The last process is told to end; the others have to end with it."""
    if DIES and RANK == PROCESSES - 1:
        os.kill(os.getpid(), signal.SIGTERM)


def fitted():
    return training.fit(
        EXAMPLE.loss,
        OPTIMIZER,
        started(EXAMPLE, MESH, MIXTURE),
        (IMAGES, LABELS),
        (IMAGES[:21], LABELS[:21]),
        epochs=3,
        batch_size=16,
        mesh=MESH,
        partition=MIXTURE,
        on_epoch=dies,
        checkpoints=training.Checkpoints(FOLDER / "checkpoints", every=3, keep=9),
        sinks=[training.JsonLines(FOLDER / "metrics.jsonl")],
    )


def not_finite():
    """What is said of a batch with a NaN."""
    images = IMAGES.copy()
    images[-1, 2, 3, 0] = np.nan
    data, places = (images, LABELS), {"mesh": MESH, "partition": MIXTURE}
    state = started(EXAMPLE, MESH, MIXTURE)
    options = {"epochs": 1, "batch_size": 16, "progress": False}
    try:
        training.fit(EXAMPLE.loss, OPTIMIZER, state, data, **options, **places)
    except training.NonFiniteError as error:
        return str(error)


if DIES:
    _processes._SECONDS = 0.0  # they ask each other at each step
rows = own_rows()
state, history = fitted()
training.save_weights(FOLDER / "weights.safetensors", state.params, state.state)
figures = [{k: v for k, v in r.items() if "second" not in k} for r in history]
told = {"rows": rows, "step": int(state.step), "figures": figures}
told |= {"interrupted": history.interrupted}
told |= {"not_finite": None if DIES else not_finite()}
(FOLDER / f"told{RANK}.json").write_text(json.dumps(told))
