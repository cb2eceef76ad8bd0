"""Batches on a mesh, each process giving its own rows."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from funcnn.parallel._mesh import DATA, automatic
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
    processes = len({device.process_index for device in mesh.devices.flat})

    def one(array: Any) -> jax.Array:
        if processes == 1:
            check_rows(array, mesh)
            return jax.device_put(array, sharding)
        return jax.make_array_from_process_local_data(sharding, np.asarray(array))

    return jax.tree.map(one, batch)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The first axis over "data", all others whole.

    Raises:
      ValueError: when the mesh has no such axis.
    """
    check_axis("a batch", DATA, mesh.shape)
    return NamedSharding(automatic(mesh), PartitionSpec(DATA))


def check_rows(array: Any, mesh: Mesh, parts: int = 1) -> None:
    """Raises ValueError unless the array's rows can be split into equal parts.

    Args:
      array: whose first axis is split.
      mesh: whose axis "data" it is split over.
      parts: into how many parts each device's share is then split.
    """
    count, shape = mesh.shape[DATA], np.shape(array)
    if shape and shape[0] % (count * parts) == 0:
        return
    further = f" and accumulate={parts}" if parts > 1 else ""
    raise ValueError(
        f"a batch {shape} cannot be split: the {count} devices along {DATA!r}{further} "
        "have to divide its first axis"
    )
