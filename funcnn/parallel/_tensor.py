"""Tensor parallelism: the layers' products split over devices, by their names."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jax.sharding import PartitionSpec

from funcnn._paths import first_fit
from funcnn.parallel._mesh import MODEL
from funcnn.parallel._partition import (
    Partition,
    Sizes,
    check_axis,
    entries_of,
    partition_of,
    spec_of,
)

# Which axis of a leaf is split, counted from its end, as a stack of layers has axes
# before those of the layer; the second where the first cannot be divided.
_AXES: dict[str, tuple[int, ...]] = {
    # heads
    "*query.kernel": (-2,),
    "*key.kernel": (-2,),
    "*value.kernel": (-2,),
    "*query.bias": (-2,),
    "*key.bias": (-2,),
    "*value.bias": (-2,),
    "*out.kernel": (-3,),
    # what the first product of a pair makes, which the second one adds up
    "*up.kernel": (-1,),
    "*up.bias": (-1,),
    "*down.kernel": (-2,),
    "*feed_forward.0.kernel": (-1,),
    "*feed_forward.0.bias": (-1,),
    "*feed_forward.2.kernel": (-2,),
    # the vocabulary
    "*embedding": (-2, -1),
    # all other products and convolutions: the features that they make
    "*kernel": (-1,),
}


@dataclasses.dataclass(frozen=True)
class TensorParallel:
    """What `tensor_parallel` gives."""

    rules: Partition
    axis: str

    def specs(
        self, shapes: Mapping[str, tuple[int, ...]], sizes: Sizes
    ) -> dict[str, PartitionSpec]:
        """See `Partition`."""
        check_axis("tensor_parallel", self.axis, sizes)
        specs = self.rules.specs(shapes, sizes)
        own = {
            path: self._split(path, shape, sizes)
            for path, shape in shapes.items()
            if not any(specs[path])
        }
        if not any(any(spec) for spec in (specs | own).values()):
            count, paths = sizes[self.axis], ", ".join(shapes)
            raise ValueError(
                f"tensor_parallel: no parameter can be split into {count} parts; "
                f"there are {paths}"
            )
        return specs | own

    def _split(self, path: str, shape: tuple[int, ...], sizes: Sizes) -> PartitionSpec:
        entries: list[Any] = entries_of(PartitionSpec(), shape)
        for axis in _AXES.get(first_fit(path, _AXES) or "", ()):
            if len(shape) >= -axis and shape[axis] % sizes[self.axis] == 0:
                entries[axis] = self.axis
                break
        return spec_of(entries)


def tensor_parallel(
    rules: "Mapping[str, PartitionSpec] | Partition | None" = None,
    *,
    axis: str = MODEL,
) -> Partition:
    """Products are split by the features that they make or add up (Megatron).

    Attention is split by heads, the pair of products after it so that nothing is sent
    between them, an `Embed` by its vocabulary, and all other kernels, of `Dense` and
    `Conv`, by the features that they make; all by the layers' names, also in a `Repeat`
    or a `MixtureOfExperts`. What the mesh's axis does not divide, such as the kernel of
    10 classes by 4, stays whole, and so do all other parameters.

    Args:
      rules: a partition that comes before: what it splits is left as it is.
      axis: of the mesh; by default the model's.

    Raises:
      ValueError: when it is used, if nothing can be split.

    Source: Shoeybi et al. (2019), arXiv:1909.08053.
    """
    return TensorParallel(partition_of(rules), axis)
