"""A model's figures on data that it is not trained on."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from funcnn.training._step import LossFunction, Metrics, TrainState


def evaluate(
    loss_fn: LossFunction, train_state: TrainState, data: Any, *, batch_size: int = 500
) -> dict[str, float]:
    """The means of all metrics of `loss_fn` over all of `data`, with train=False.

    Args:
      loss_fn: as for `make_step`; its metrics must be means over the batch.
      train_state: the state to evaluate; it is not donated.
      data: a tuple of equally long arrays, such as (inputs, targets).
      batch_size: examples at a time. What is left over at the end is a smaller
        batch, which counts by its size (and is traced once more).

    Raises:
      ValueError: when there are no examples, the arrays differ in length, or
        batch_size is not positive.
    """
    lengths = [len(array) for array in data]
    if len(set(lengths)) != 1:
        raise ValueError(f"evaluate: needs arrays of one length, got {lengths}")
    count = lengths[0]
    if count == 0 or batch_size < 1:
        raise ValueError(
            f"evaluate: needs examples and a positive batch_size, got {count} "
            f"examples and batch_size={batch_size}"
        )
    sums: dict[str, float] = {}
    for batch in _slices(data, batch_size):
        metrics = _metrics(loss_fn, train_state.params, train_state.state, batch)
        for name, mean in jax.device_get(metrics).items():
            sums[name] = sums.get(name, 0.0) + float(mean) * len(batch[0])
    return {name: total / count for name, total in sums.items()}


def _slices(data: Any, size: int) -> Iterator[tuple[np.ndarray, ...]]:
    for start in range(0, len(data[0]), size):
        yield tuple(array[start : start + size] for array in data)


@functools.partial(jax.jit, static_argnums=0)
def _metrics(loss_fn: LossFunction, params: Any, state: Any, batch: Any) -> Metrics:
    _, (_, metrics) = loss_fn(params, state, batch, key=None, train=False)
    return metrics
