"""Batches on a mesh, each process giving its own rows."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from funcnn.parallel._mesh import DATA, automatic, replicated
from funcnn.parallel._partition import check_axis


def shard_batch(batch: Any, mesh: Mesh) -> Any:
    """The batch on a mesh, its first axis split over "data".

    With several processes each gives only the rows of its own devices, and what comes
    back is the batch of all, in the order of the mesh.

    Args:
      batch: a pytree of arrays with one first axis.
      mesh: as `make_mesh` gives it.

    Raises:
      ValueError: when the devices along "data" do not divide the rows.
    """
    sharding = batch_sharding(mesh)
    processes = {device.process_index for device in mesh.devices.flat}
    if len(processes) == 1:
        for array in jax.tree.leaves(batch):
            check_rows(np.shape(array), mesh)
        return jax.device_put(batch, sharding)

    def one(array: Any) -> jax.Array:
        return jax.make_array_from_process_local_data(sharding, np.asarray(array))

    return jax.tree.map(one, batch)


def rows_on(data: Sequence[Any], rows: np.ndarray, mesh: Mesh) -> tuple[jax.Array, ...]:
    """These rows of each array as a batch on the mesh; each process reads its own.

    Rows that the devices along "data" do not divide are all on every device.
    """
    divisible = len(rows) % mesh.shape[DATA] == 0
    sharding = batch_sharding(mesh) if divisible else replicated(automatic(mesh))

    def one(array: Any) -> jax.Array:
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)

        def part(index: Any) -> np.ndarray:
            return np.asarray(array[rows[index[0]]], dtype)

        shape = len(rows), *array.shape[1:]
        return jax.make_array_from_callback(shape, sharding, part)

    return tuple(one(array) for array in data)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The first axis over "data", all others whole.

    Raises:
      ValueError: when the mesh has no such axis.
    """
    check_axis("a batch", DATA, mesh.shape)
    return NamedSharding(automatic(mesh), PartitionSpec(DATA))


def check_rows(shape: tuple[int, ...], mesh: Mesh, parts: int = 1) -> None:
    """Raises ValueError unless the rows of a batch can be split into equal parts.

    Args:
      shape: of an array of the batch.
      mesh: over whose axis "data" the rows are split.
      parts: into how many parts each device's share is then split.
    """
    count = mesh.shape[DATA]
    if shape and shape[0] % (count * parts) == 0:
        return
    further = f" in accumulate={parts} parts" if parts > 1 else ""
    raise ValueError(
        f"the rows of a batch {shape} cannot be split evenly over the {count} devices "
        f"along {DATA!r}{further}"
    )
