"""The plain training loop."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

from funcnn.data import batches, count_batches
from funcnn.training._evaluate import evaluate
from funcnn.training._interrupt import interruptible
from funcnn.training._progress import Progress, shown
from funcnn.training._step import LossFunction, Metrics, TrainState, make_step

Record = dict[str, Any]


class History(list[Record]):
    """One record per finished epoch; `interrupted` says that Ctrl-C was pressed."""

    interrupted: bool = False


def fit(
    loss_fn: LossFunction,
    optimizer: optax.GradientTransformation,
    train_state: TrainState,
    train_data: Any,
    test_data: Any = None,
    *,
    epochs: int,
    batch_size: int,
    seed: int = 0,
    on_epoch: Callable[[TrainState, Record], None] | None = None,
    progress: bool | Progress = True,
) -> tuple[TrainState, History]:
    """Trains for `epochs` passes over the data, in an order that `seed` decides.

    The order is a pure function of seed, epoch and position (`funcnn.data.batches`);
    each epoch leaves out what does not fill a batch.

    Args:
      loss_fn: as for `make_step`.
      optimizer: any Optax transformation.
      train_state: where to start; it is donated, so use the one that comes back.
      train_data: a tuple of equally long arrays, such as (inputs, targets).
      test_data: the same, evaluated after every epoch; or None.
      epochs: how many passes.
      batch_size: examples per step.
      seed: of the data's order.
      on_epoch: called with the train state and the record after every epoch. The
        state is donated to the next step: copy what is to be kept.
      progress: True for a bar on a terminal (if Rich is installed) and plain lines
        elsewhere, on standard error; False for nothing; or an object of one's own.

    Returns:
      The train state and the history: per epoch a dict with `epoch`, the metrics
      as `train_...`, means over the epoch's batches as they were trained on, and
      `test_...`, `seconds` and `examples_per_second` (of training alone). After
      Ctrl-C they are those reached so far and `history.interrupted` is True; a
      second Ctrl-C raises KeyboardInterrupt at once.

    Raises:
      ValueError: when the arrays differ in length or do not fill a batch.
    """
    step, history = make_step(loss_fn, optimizer), History()
    total = count_batches(len(train_data[0]), batch_size)
    with interruptible() as interrupted, shown(epochs, progress) as display:
        for epoch in range(1, epochs + 1):
            start, metrics = time.perf_counter(), []
            order = {"seed": seed, "epoch": epoch}
            for batch in batches(train_data, batch_size, **order):
                if interrupted():
                    history.interrupted = True
                    return train_state, history
                train_state, values = step(train_state, batch)
                metrics.append(values)
                display.batch(epoch, len(metrics), total)
            record = _record(epoch, metrics, batch_size, start)
            if test_data is not None:
                tested = evaluate(loss_fn, train_state, test_data)
                record |= {f"test_{name}": value for name, value in tested.items()}
            history.append(record)
            display.epoch(record)
            if on_epoch is not None:
                on_epoch(train_state, record)
        history.interrupted = interrupted()
    return train_state, history


def _record(
    epoch: int, metrics: list[Metrics], batch_size: int, start: float
) -> Record:
    # Fetched once per epoch: fetching each step's would make the host wait for it.
    values = jax.device_get(metrics)
    seconds = time.perf_counter() - start
    record: Record = {"epoch": epoch, "seconds": seconds}
    record["examples_per_second"] = len(values) * batch_size / seconds
    for name in values[0]:
        record[f"train_{name}"] = float(np.mean([v[name] for v in values]))
    return record
