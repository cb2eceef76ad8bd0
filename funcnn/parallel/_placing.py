"""Where the leaves of a train state are."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from funcnn._paths import named
from funcnn.parallel._mesh import automatic
from funcnn.parallel._partition import partition_of


def shardings_like(tree: Any, params: Any, mesh: Mesh, partition: Any) -> Any:
    """A sharding for each leaf of a pytree that has parameters, or numbers for them.

    A leaf whose path ends in that of a parameter, and which has its shape, is split as
    that one is: so are a train state's own parameters and the optimizer's numbers
    for each. All others are whole on every device.

    Args:
      tree: of arrays, or their shapes.
      params: the parameters, or their shapes.
      mesh: where they are.
      partition: see `fully_sharded` and `tensor_parallel`.

    Raises:
      ValueError: when the partition does not fit the parameters or the mesh.
    """
    mesh = automatic(mesh)
    shapes = {path: tuple(leaf.shape) for path, leaf in named(params).items()}
    specs = partition_of(partition).specs(shapes, mesh.shape)

    def sharding(path: str, leaf: Any) -> NamedSharding:
        own = _parameter_of(path, shapes)
        if own is None or tuple(leaf.shape) != shapes[own]:
            return NamedSharding(mesh, PartitionSpec())
        return NamedSharding(mesh, specs[own])

    found = [sharding(path, leaf) for path, leaf in named(tree).items()]
    return jax.tree.unflatten(jax.tree.structure(tree), found)


def on_host(array: Any) -> np.ndarray:
    """A copy of the whole array.

    Of one whose parts other processes have, they all have to make it together.
    """
    if not isinstance(array, jax.Array) or _is_here(array):
        return np.array(array)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def _is_here(array: jax.Array) -> bool:
    return array.is_fully_addressable or array.is_fully_replicated


def placed(array: np.ndarray, sharding: Any) -> jax.Array:
    """The array with this sharding, or for None where JAX has it.

    With several processes each gives its devices their parts.
    """
    # An array that JAX shares with NumPy could not be donated.
    if sharding is None or sharding.is_fully_addressable:
        return jax.device_put(array, sharding, may_alias=False)
    parts = [
        jax.device_put(array[index], device, may_alias=False)
        for device, index in sharding.addressable_devices_indices_map(
            array.shape
        ).items()
    ]
    return jax.make_array_from_single_device_arrays(array.shape, sharding, parts)


def _parameter_of(path: str, shapes: dict[str, Any]) -> str | None:
    """The parameter with whose whole path this one ends: ``0.mu.1.kernel``."""
    words = path.split(".")
    ends = (".".join(words[start:]) for start in range(len(words) + 1))
    return next((end for end in ends if end in shapes), None)
