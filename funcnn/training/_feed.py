"""The batches of an epoch, where the step needs them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jax.sharding import Mesh

from funcnn.data.ordering import batch_rows, batches
from funcnn.parallel._batch import rows_on


def fed(
    mesh: Mesh | None,
    data: Any,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    start: int,
) -> Iterator[tuple[Any, ...]]:
    """As `funcnn.data.batches`; on a mesh each process reads the rows of its devices.

    The batch of all processes is the same whatever the mesh is.
    """
    if mesh is None:
        return batches(data, batch_size, seed=seed, epoch=epoch, start=start)
    arrays = tuple(np.asarray(array) for array in data)
    rows = batch_rows(arrays, batch_size, seed=seed, epoch=epoch, start=start)
    return (rows_on(arrays, own, mesh) for own in rows)
