"""A model's numbers as a safetensors file, which no one has to trust to open it."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from funcnn._files import write_whole


class WeightsError(ValueError):
    """A weights file is damaged, or belongs to another model."""


def save_weights(path: Path, params: Any, state: Any = ()) -> None:
    """Writes params and state to a safetensors file, whole or not at all.

    Leaves are named by their path, such as `params.0.kernel` or `state.4.mean`.

    Raises:
      OSError: when the file cannot be written.
      ImportError: without safetensors (`pip install 'funcnn[cli]'`).
    """
    from safetensors.numpy import save

    leaves = _named({"params": params, "state": state})
    arrays = {name: np.ascontiguousarray(leaf) for name, leaf in leaves.items()}
    write_whole(Path(path), save(arrays, {"format": "funcnn"}))


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
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(Path(path).read_bytes())
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}") from error
    needed = {"params": params, "state": state}
    differences = _differences(_named(needed), arrays)
    if differences:
        raise WeightsError(f"{path}: not of this model: " + "; ".join(differences))
    leaves = [jax.numpy.asarray(arrays[name]) for name in _named(needed)]
    tree = jax.tree.unflatten(jax.tree.structure(needed), leaves)
    return tree["params"], tree["state"]


def _named(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = jax.tree_util.keystr
    return {named(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _differences(needed: dict[str, Any], given: dict[str, np.ndarray]) -> list[str]:
    missing = [f"{name} is missing" for name in needed.keys() - given.keys()]
    extra = [f"{name} is not needed" for name in given.keys() - needed.keys()]
    both = needed.keys() & given.keys()
    differing = [
        f"{name} is {_type(given[name])}, needs {_type(needed[name])}"
        for name in both
        if _type(given[name]) != _type(needed[name])
    ]
    return sorted(missing + extra + differing)


def _type(array: Any) -> str:
    return f"{array.dtype}{list(array.shape)}"
