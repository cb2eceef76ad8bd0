"""Arrays by name in a safetensors file, of every dtype that JAX has there."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from funcnn._untrusted import check_density, read_regular

Arrays = dict[str, np.ndarray]

# What the format calls each dtype. Its own reader for NumPy knows neither bfloat16 nor
# the floats of 8 bits.
_DTYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_),
    "BF16": jnp.dtype(jnp.bfloat16),
    "F8_E4M3": jnp.dtype(jnp.float8_e4m3fn),
    "F8_E5M2": jnp.dtype(jnp.float8_e5m2),
    **{f"F{bits}": np.dtype(f"f{bits // 8}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
}


class WeightsError(ValueError):
    """A weights file is damaged, or belongs to another model."""


def write_arrays(path: Path, arrays: Arrays, about: Mapping[str, str]) -> None:
    """Writes a safetensors file; `about` is its metadata.

    Raises:
      OSError: when the file cannot be written.
      TypeError: naming the array whose dtype the format does not have.
      ImportError: without safetensors (`pip install 'funcnn[cli]'`).
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    known = _DTYPES.values()
    for name, array in arrays.items():
        if array.dtype not in known:
            raise TypeError(f"{name}: a safetensors file cannot hold {array.dtype}")
    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        save_file(ordered, path, dict(about))
    except SafetensorError as error:
        raise _of_system(error, path) from error


def _of_system(error: Exception, path: Path) -> OSError:
    """The system's error, which safetensors has as words."""
    code = re.search(r"os error (\d+)", str(error))
    number = int(code[1]) if code else None
    words = os.strerror(number) if number else str(error)
    return OSError(number, words, str(path))


def read_arrays(path: Path) -> Arrays:
    """The arrays of a safetensors file.

    Raises:
      OSError: when the file cannot be read.
      WeightsError: when it is no safetensors file, or has a dtype that JAX has not.
      ImportError: without safetensors (`pip install 'funcnn[cli]'`).
    """
    from safetensors import SafetensorError, deserialize

    content = read_regular(Path(path))
    try:
        # Its length comes first; the format's own reader sees whether that is right.
        header = content[8 : 8 + int.from_bytes(content[:8], "little")]
        check_density(header, len(content))
        entries = deserialize(content)
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}") from error
    return {name: _array(path, name, entry) for name, entry in entries}


def _array(path: Path, name: str, entry: dict[str, Any]) -> np.ndarray:
    dtype, shape = entry["dtype"], entry["shape"]
    if dtype not in _DTYPES:
        raise WeightsError(f"{path}: {name} is of the dtype {dtype}")
    try:
        return np.frombuffer(entry["data"], _DTYPES[dtype]).reshape(shape)
    except (ValueError, OverflowError) as error:  # such as (0, 2**63), or 65 dimensions
        raise WeightsError(
            f"{path}: {name}: NumPy has no such shape: {error}"
        ) from error


def differences(needed: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is missing, too much, or of another dtype or shape, a phrase for each."""
    missing = [f"{name} is missing" for name in needed.keys() - given.keys()]
    extra = [f"{name} is not needed" for name in given.keys() - needed.keys()]
    differing = [
        f"{name} is {_type(given[name])}, needs {_type(needed[name])}"
        for name in needed.keys() & given.keys()
        if _type(given[name]) != _type(needed[name])
    ]
    return sorted(missing + extra + differing)


def _type(array: Any) -> str:
    return f"{array.dtype}{list(array.shape)}"
