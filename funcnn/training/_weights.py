"""A model's numbers as a safetensors file, which no one has to trust to open it."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from funcnn._files import rename_whole
from funcnn._paths import named
from funcnn.training._named_arrays import (
    WeightsError,
    differences,
    read_arrays,
    write_arrays,
)


def save_weights(path: Path, params: Any, state: Any = ()) -> None:
    """Writes params and state to a safetensors file, whole or not at all.

    Leaves are named by their path, such as `params.0.kernel` or `state.4.mean`, and
    keep their dtypes, bfloat16 and the floats of 8 bits too.

    Raises:
      OSError: when the file cannot be written.
      TypeError: for a dtype that the format does not have, such as complex64.
      ImportError: without safetensors (`pip install 'funcnn[cli]'`).
    """
    leaves = named({"params": params, "state": state})
    arrays = {name: np.asarray(leaf) for name, leaf in leaves.items()}
    with rename_whole(Path(path)) as temporary:
        write_arrays(temporary, arrays, {"format": "funcnn"})


def load_weights(path: Path, params: Any, state: Any = ()) -> tuple[Any, Any]:
    """Reads what `save_weights` wrote, in the structure of `params` and `state`.

    Args:
      path: the file.
      params: parameters of the model, or their `jax.ShapeDtypeStruct`s.
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
    leaves = [jax.numpy.asarray(arrays[name]) for name in named(needed)]
    tree = jax.tree.unflatten(jax.tree.structure(needed), leaves)
    return tree["params"], tree["state"]
