"""Arguments of a program, placed on devices that are not here."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from funcnn.parallel._targets import Target, TargetError


def placed(args: Any, target: Target, devices: list[Any]) -> Any:
    """`args` as types with shardings on the devices.

    Arrays and types whose sharding is over a mesh keep it: over the same mesh if it is
    of these devices, and else over one of the same axes that is. All others are whole
    on every device.
    """
    meshes = _Meshes(target, devices)
    for leaf in jax.tree.leaves(args):
        if _is_over_mesh(leaf):
            meshes.own(leaf.sharding.mesh)
    return jax.tree.map(lambda leaf: _placed(leaf, meshes), args)


def unplaced(args: Any) -> Any:
    """`args` as types, without shardings."""
    return jax.tree.map(
        lambda leaf: _typed(leaf, None) if _is_array(leaf) else leaf, args
    )


def has_shardings(args: Any) -> bool:
    """Whether an argument is laid out over a mesh."""
    return any(map(_is_over_mesh, jax.tree.leaves(args)))


class _Meshes:
    """For each mesh the one that it becomes."""

    def __init__(self, target: Target, devices: list[Any]) -> None:
        self._target, self._devices = target, devices
        self._made: dict[Any, Mesh] = {}

    def own(self, mesh: Any) -> Mesh:
        """The mesh of the target's devices that has this one's axes."""
        if mesh not in self._made:
            self._made[mesh] = self._make(mesh)
        return self._made[mesh]

    def rest(self) -> Any:
        """The sharding of what has none: whole on every device."""
        if self._made:
            return NamedSharding(next(iter(self._made.values())), PartitionSpec())
        if len(self._devices) == 1:
            return jax.sharding.SingleDeviceSharding(self._devices[0])
        mesh = Mesh(np.array(self._devices), ("devices",))
        return NamedSharding(mesh, PartitionSpec())

    def _make(self, mesh: Any) -> Mesh:
        concrete = not isinstance(mesh, AbstractMesh)
        if concrete and set(mesh.devices.flat) <= set(self._devices):
            return mesh
        sizes = mesh.axis_sizes
        if mesh.size != len(self._devices):
            axes = ", ".join(f"{n}={s}" for n, s in zip(mesh.axis_names, sizes))
            raise TargetError(
                f"{self._target.text}: the arguments' mesh ({axes}) has {mesh.size} "
                f"devices, the target {len(self._devices)}"
            )
        return jax.make_mesh(
            sizes, mesh.axis_names, mesh.axis_types, devices=self._devices
        )


def _placed(leaf: Any, meshes: _Meshes) -> Any:
    if not _is_array(leaf):
        return leaf  # a number of Python's, which goes where the arrays are
    if not _is_over_mesh(leaf):
        return _typed(leaf, meshes.rest())
    mesh = meshes.own(leaf.sharding.mesh)
    return _typed(leaf, NamedSharding(mesh, leaf.sharding.spec))


def _typed(leaf: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    dtype = jax.dtypes.canonicalize_dtype(leaf.dtype, allow_extended_dtype=True)
    weak = bool(getattr(leaf, "weak_type", False))
    return jax.ShapeDtypeStruct(leaf.shape, dtype, sharding=sharding, weak_type=weak)


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _is_over_mesh(leaf: Any) -> bool:
    return isinstance(getattr(leaf, "sharding", None), NamedSharding)
