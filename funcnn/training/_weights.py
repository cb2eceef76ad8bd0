"""A model's numbers as a safetensors file, which no one has to trust to open it."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from funcnn._files import rename_whole
from funcnn._paths import named
from funcnn.parallel._placing import on_host, placed
from funcnn.parallel._processes import is_first
from funcnn.training._named_arrays import (
    WeightsError,
    differences,
    read_arrays,
    write_arrays,
)


def save_weights(path: Path, params: Any, state: Any = ()) -> None:
    """Writes params and state to a safetensors file, whole or not at all.

    Leaves are named by their path, such as `params.0.kernel` or `state.4.mean`, and
    keep their dtypes, bfloat16 and the floats of 8 bits too. Of several processes,
    which all call this, the first writes the file.

    Raises:
      OSError: when the file cannot be written.
      TypeError: for a dtype that the format does not have, such as complex64.
      ImportError: without safetensors (`pip install 'funcnn[cli]'`).
    """
    leaves = named({"params": params, "state": state})
    arrays = {name: on_host(leaf) for name, leaf in leaves.items()}
    if not is_first():
        return
    with rename_whole(Path(path)) as temporary:
        write_arrays(temporary, arrays, {"format": "funcnn"})


def load_weights(path: Path, params: Any, state: Any = ()) -> tuple[Any, Any]:
    """Reads what `save_weights` wrote, in the structure of `params` and `state`.

    Args:
      path: the file.
      params: parameters of the model, or their `jax.ShapeDtypeStruct`s. Of those that
        are on a mesh, what is read will be in their places.
      state: likewise.

    Raises:
      OSError: when the file cannot be read.
      WeightsError: when it is no safetensors file, or its names, shapes or dtypes
        are not those that are needed; the message lists which.
      ImportError: without safetensors (`pip install 'funcnn[cli]'`).
    """
    arrays = read_arrays(path)
    needed = {"params": params, "state": state}
    different = differences(named(needed), arrays)
    if different:
        raise WeightsError(f"{path}: not of this model: " + "; ".join(different))
    leaves = [_placed(arrays[name], leaf) for name, leaf in named(needed).items()]
    tree = jax.tree.unflatten(jax.tree.structure(needed), leaves)
    return tree["params"], tree["state"]


def _placed(array: np.ndarray, like: Any) -> jax.Array:
    sharding = getattr(like, "sharding", None)
    on_mesh = isinstance(sharding, jax.sharding.NamedSharding)
    return placed(array, sharding) if on_mesh else jax.numpy.asarray(array)
