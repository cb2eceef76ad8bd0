"""How Orbax writes the arrays of a checkpoint: as one safetensors file.

Orbax's own format takes some files and a millisecond or two of Python for each array,
which on CPU is the training's time, and on a full disk its threads print what cannot be
caught. What Orbax does about it, an item in a folder that has its name when it is
whole, stays as it is.
"""

import dataclasses
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from funcnn.training._checkpoints._errors import CheckpointError
from funcnn.training._named_arrays import (
    Arrays,
    WeightsError,
    read_arrays,
    write_arrays,
)

_FILE = "arrays.safetensors"


class ArraysHandler(ocp.CheckpointHandler):
    """Writes arrays by name."""

    def save(self, directory: Any, args: "SaveArrays") -> None:
        """Writes the file; Orbax calls it with a folder that is not final yet."""
        write_arrays(Path(directory) / _FILE, args.arrays, {"format": "funcnn"})

    def restore(self, directory: Any, args: Any = None) -> Arrays:
        """Reads it again."""
        return read_named(Path(directory))


@ocp.args.register_with_handler(ArraysHandler, for_save=True, for_restore=True)
@dataclasses.dataclass
class SaveArrays(ocp.args.CheckpointArgs):
    """What `ArraysHandler` is given."""

    arrays: Arrays = dataclasses.field(default_factory=dict)


def read_named(directory: Path) -> Arrays:
    """The arrays of an item that was written so.

    Raises:
      CheckpointError: when the file is not what was written.
    """
    try:
        return read_arrays(directory / _FILE)
    except WeightsError as error:
        raise CheckpointError(str(error)) from error
