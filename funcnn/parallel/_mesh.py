"""Meshes: the devices as a table, an axis for the data and one for the model."""

import math
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

DATA, MODEL = "data", "model"


def make_mesh(
    data: int = -1, model: int = 1, devices: Sequence[Any] | None = None
) -> Mesh:
    """A mesh with the axes "data", over which batches are split, and "model".

    The devices of one host are neighbours along "model", as far as they go, for tensor
    parallelism sends more.

    Args:
      data: how many parts a batch is split into; -1 takes the devices that are left.
      model: over how many devices one copy of the model is split; or -1.
      devices: by default all of `jax.devices()`, those of other processes too, or
        where one process needs fewer, the first of them. They may be those of a
        topology that is not here, to compile for.

    Raises:
      ValueError: when the axes do not make up the number of devices.
    """
    available = list(jax.devices() if devices is None else devices)
    sizes = _sizes({DATA: data, MODEL: model}, len(available))
    needed = math.prod(sizes)
    if needed < len(available) and devices is None and jax.process_count() == 1:
        available = available[:needed]
    if needed != len(available):
        raise ValueError(
            f"make_mesh: data={sizes[0]} times model={sizes[1]} are {needed} devices, "
            f"there are {len(available)}"
        )
    return jax.make_mesh(
        sizes, (DATA, MODEL), axis_types=(AxisType.Auto,) * 2, devices=available
    )


def _sizes(axes: dict[str, int], count: int) -> tuple[int, ...]:
    """The sizes of all axes, where one may be -1."""
    given = [size for size in axes.values() if size != -1]
    if len(given) < len(axes) - 1 or min(given, default=1) < 1:
        words = ", ".join(f"{name}={size}" for name, size in axes.items())
        raise ValueError(
            f"make_mesh: sizes are 1 or more, or one of them -1, got {words}"
        )
    if len(given) == len(axes):
        return tuple(axes.values())
    rest, over = divmod(count, math.prod(given))
    if over or not rest:
        (name,) = (name for name, size in axes.items() if size != -1)
        raise ValueError(
            f"make_mesh: {name}={given[0]} does not divide {count} devices"
        )
    return tuple(rest if size == -1 else size for size in axes.values())


def automatic(mesh: Mesh) -> Mesh:
    """The mesh with axes over which the compiler itself finds what is where."""
    types = (AxisType.Auto,) * len(mesh.axis_names)
    return Mesh(mesh.devices, mesh.axis_names, axis_types=types)


def replicated(mesh: Mesh) -> NamedSharding:
    """All of an array on every device."""
    return NamedSharding(mesh, PartitionSpec())
