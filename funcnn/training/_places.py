"""Where a step has its arrays: on one device, or in parts on a mesh."""

import contextlib
from typing import Any

import jax
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from funcnn._jax import Rows, partitioned
from funcnn.parallel._batch import batch_sharding, check_rows
from funcnn.parallel._mesh import DATA, automatic, replicated
from funcnn.parallel._placing import shardings_like
from funcnn.training._state import TrainState, shardings_of


class Places:
    """Those of a step on one device: everything is where it is."""

    def train_state(self, train_state: TrainState) -> TrainState:
        """The train state, in its parts."""
        return train_state

    def params(self, params: Any) -> Any:
        """The parameters, or their gradients, in their parts."""
        return params

    def batch(self, batch: Any, accumulate: int) -> Any:
        """The batch, each device having its rows."""
        return batch

    def batch_parts(self, split: Any) -> Any:
        """The parts that are gone through, each device having its rows of each."""
        return split

    def whole(self, metrics: Any) -> Any:
        """The metrics, the same on every device."""
        return metrics

    def traced(
        self, batch: Any, accumulate: int = 1
    ) -> contextlib.AbstractContextManager[Any]:
        """In which the loss of the batch is traced."""
        return contextlib.nullcontext()


class OnMesh(Places):
    """Those on a mesh, told to the compiler, which puts in what has to be sent."""

    def __init__(self, mesh: Mesh, partition: Any) -> None:
        self._mesh, self._partition = mesh, partition
        self._rows = batch_sharding(mesh)
        self._parts = NamedSharding(automatic(mesh), PartitionSpec(None, DATA))
        self._whole = replicated(automatic(mesh))

    def train_state(self, train_state: TrainState) -> TrainState:
        """See `Places`."""
        shardings = shardings_of(train_state, self._mesh, self._partition)
        placed: TrainState = lax.with_sharding_constraint(train_state, shardings)
        return placed

    def params(self, params: Any) -> Any:
        """See `Places`."""
        shardings = shardings_like(params, params, self._mesh, self._partition)
        return lax.with_sharding_constraint(params, shardings)

    def batch(self, batch: Any, accumulate: int) -> Any:
        """See `Places`.

        Raises:
          ValueError: when it cannot be split into equal parts.
        """
        for array in jax.tree.leaves(batch):
            check_rows(array.shape, self._mesh, accumulate)
        return lax.with_sharding_constraint(batch, self._rows)

    def batch_parts(self, split: Any) -> Any:
        """See `Places`."""
        return lax.with_sharding_constraint(split, self._parts)

    def whole(self, metrics: Any) -> Any:
        """See `Places`."""
        return lax.with_sharding_constraint(metrics, self._whole)

    def traced(
        self, batch: Any, accumulate: int = 1
    ) -> contextlib.AbstractContextManager[Any]:
        """See `Places`."""
        count = jax.tree.leaves(batch)[0].shape[0] // accumulate
        if self._mesh.size == 1 or count % self._mesh.shape[DATA]:
            return contextlib.nullcontext()
        told: contextlib.AbstractContextManager[Any]
        told = partitioned(Rows(count, self._rows))
        return told


def places_on(mesh: Mesh | None, partition: Any) -> Places:
    """The places of a mesh, or of one device for None.

    Raises:
      ValueError: when the mesh has no axis "data".
    """
    return Places() if mesh is None else OnMesh(mesh, partition)
