"""A model's figures on data that it is not trained on."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from funcnn.parallel._batch import rows_on
from funcnn.parallel._mesh import DATA
from funcnn.training._loss import LossFunction, Metrics
from funcnn.training._places import places_on
from funcnn.training._state import TrainState


def evaluate(
    loss_fn: LossFunction,
    train_state: TrainState,
    data: Any,
    *,
    batch_size: int = 500,
    mesh: Mesh | None = None,
) -> dict[str, float]:
    """The means of all metrics of `loss_fn` over all of `data`, with train=False.

    Args:
      loss_fn: as for `make_step`; its metrics must be means over the batch.
      train_state: the state to evaluate; it is not donated.
      data: a tuple of equally long arrays, such as (inputs, targets).
      batch_size: examples at a time. What is left over at the end is a smaller
        batch, which counts by its size (and is traced once more).
      mesh: that of the train state, if it is on one. Each device has its part of a
        batch, of what is left over all; with several processes all call this.

    Raises:
      ValueError: when there are no examples, the arrays differ in length, batch_size
        is not positive, or the mesh has no axis "data".
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
    for batch in _slices(data, batch_size, mesh):
        metrics = _metrics(loss_fn, mesh, train_state.params, train_state.state, batch)
        for name, mean in jax.device_get(metrics).items():
            sums[name] = sums.get(name, 0.0) + float(mean) * len(batch[0])
    return {name: total / count for name, total in sums.items()}


def _slices(data: Any, size: int, mesh: Mesh | None) -> Iterator[tuple[Any, ...]]:
    count = len(data[0])
    if mesh is None:
        for start in range(0, count, size):
            yield tuple(array[start : start + size] for array in data)
        return
    # A smaller batch that all devices have a part of is cheaper than one that they
    # all have whole.
    devices = mesh.shape[DATA]
    size = max(size - size % devices, min(size, devices))
    starts = [*range(0, count, size), count]
    if (left := (count - starts[-2]) % devices) and count - starts[-2] > left:
        starts.insert(-1, count - left)
    for start, stop in itertools.pairwise(starts):
        yield rows_on(data, np.arange(start, stop), mesh)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _metrics(
    loss_fn: LossFunction, mesh: Mesh | None, params: Any, state: Any, batch: Any
) -> Metrics:
    places = places_on(mesh, None)
    with places.traced(batch):
        _, (_, metrics) = loss_fn(params, state, batch, key=None, train=False)
    return places.whole(metrics)
