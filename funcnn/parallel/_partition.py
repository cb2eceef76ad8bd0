"""Partitions: which part of a parameter is on which device, said by its path."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Protocol

from jax.sharding import PartitionSpec

from funcnn._paths import first_fits
from funcnn.parallel._mesh import DATA

Entries = list[Any]  # of a PartitionSpec, one for each axis of the array
Sizes = Mapping[str, int]  # of a mesh's axes


class Partition(Protocol):
    """What says how parameters are split."""

    def specs(
        self, shapes: Mapping[str, tuple[int, ...]], sizes: Sizes
    ) -> dict[str, PartitionSpec]:
        """The PartitionSpec of every parameter.

        Args:
          shapes: those of all parameters, by path.
          sizes: those of the mesh's axes, by name.

        Raises:
          ValueError: when they do not fit the parameters or the mesh.
        """


@dataclasses.dataclass(frozen=True)
class ByPath:
    """A PartitionSpec for each pattern; what no pattern fits is whole everywhere."""

    rules: Mapping[str, PartitionSpec]

    def specs(
        self, shapes: Mapping[str, tuple[int, ...]], sizes: Sizes
    ) -> dict[str, PartitionSpec]:
        """See `Partition`."""
        fits = first_fits("partition", shapes, self.rules)
        specs = {
            path: self.rules[pattern] if pattern else PartitionSpec()
            for path, pattern in fits.items()
        }
        for path, spec in specs.items():
            _check(path, shapes[path], spec, sizes)
        return specs


@dataclasses.dataclass(frozen=True)
class FullySharded:
    """What `fully_sharded` gives."""

    rules: Partition
    axis: str
    smallest: int

    def specs(
        self, shapes: Mapping[str, tuple[int, ...]], sizes: Sizes
    ) -> dict[str, PartitionSpec]:
        """See `Partition`."""
        check_axis("fully_sharded", self.axis, sizes)
        before = self.rules.specs(shapes, sizes)
        return {path: self._split(shapes[path], before[path], sizes) for path in shapes}

    def _split(
        self, shape: tuple[int, ...], spec: PartitionSpec, sizes: Sizes
    ) -> PartitionSpec:
        entries = entries_of(spec, shape)
        used = {name for entry in entries for name in axes_of(entry)}
        count = sizes[self.axis]
        free = [
            axis
            for axis, entry in enumerate(entries)
            if entry is None and shape[axis] % count == 0
        ]
        if not free or self.axis in used or math.prod(shape) < self.smallest:
            return spec
        # Of equally long ones the last, for the first may be that of a stack of layers,
        # which a loop takes apart.
        largest = max(free, key=lambda axis: (shape[axis], axis))
        entries[largest] = self.axis
        return spec_of(entries)


def fully_sharded(
    rules: "Mapping[str, PartitionSpec] | Partition | None" = None,
    *,
    axis: str = DATA,
    smallest: int = 4096,
) -> Partition:
    """Every large parameter is split along an axis of the mesh (FSDP, ZeRO 3).

    Each is split along its largest axis that is free and that the mesh's axis divides;
    where none is, it stays whole. The optimizer's numbers are where their parameters
    are, so that memory falls with the number of devices. What a layer needs of the
    others' parts it is sent when it computes.

    Args:
      rules: another partition, such as `tensor_parallel()`, whose splits stay and
        whose free axes are used.
      axis: of the mesh; by default the data's.
      smallest: parameters of fewer entries than this are not split: to send them
        would cost more than it spares.

    Source: Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    return FullySharded(partition_of(rules), axis, smallest)


def partition_of(partition: Any) -> Partition:
    """A mapping, or None, as the partition that it stands for.

    Raises:
      TypeError: when it is neither and no partition.
    """
    if partition is None or isinstance(partition, Mapping):
        return ByPath(dict(partition or {}))
    if not hasattr(partition, "specs"):
        raise TypeError(
            "partition must be None, a mapping from patterns to PartitionSpec, or made "
            f"by fully_sharded or tensor_parallel, got {partition!r}"
        )
    return partition


def entries_of(spec: PartitionSpec, shape: tuple[int, ...]) -> Entries:
    """The entries of a spec, with None for the axes that it leaves out."""
    return [*spec, *[None] * (len(shape) - len(spec))]


def spec_of(entries: Entries) -> PartitionSpec:
    """A spec without None at its end, so that equal ones are equal."""
    while entries and entries[-1] is None:
        entries = entries[:-1]
    return PartitionSpec(*entries)


def axes_of(entry: Any) -> tuple[str, ...]:
    """The mesh's axes in one entry of a spec."""
    if entry is None:
        return ()
    return entry if isinstance(entry, tuple) else (entry,)


def parts_of(entry: Any, sizes: Sizes) -> int:
    """Into how many parts an entry splits."""
    return math.prod(sizes[name] for name in axes_of(entry))


def check_axis(place: str, axis: str, sizes: Sizes) -> None:
    """Raises ValueError unless the mesh has the axis."""
    if axis not in sizes:
        have = ", ".join(repr(name) for name in sizes)
        raise ValueError(f"{place}: the mesh has no axis {axis!r}, it has {have}")


def _check(
    path: str, shape: tuple[int, ...], spec: PartitionSpec, sizes: Sizes
) -> None:
    if not isinstance(spec, PartitionSpec):
        raise TypeError(f"partition: {path} needs a PartitionSpec, got {spec!r}")
    if len(spec) > len(shape):
        raise ValueError(
            f"partition: {path} {shape} has {len(shape)} axes, "
            f"{spec} is for {len(spec)}"
        )
    for axis, entry in enumerate(spec):
        for name in axes_of(entry):
            check_axis(f"partition: {path}", name, sizes)
        parts = parts_of(entry, sizes)
        if shape[axis] % parts:
            raise ValueError(
                f"partition: {path} {shape}: axis {axis} cannot be split by {spec} "
                f"into {parts} equal parts"
            )
