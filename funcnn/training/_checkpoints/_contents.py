"""What one checkpoint's folder holds, and how any change of it is noticed.

`train_state` is an item of Orbax's with the arrays by name in a safetensors file,
`progress.json` has all else, and `manifest.json` the SHA-256 of every other file and of
its own list.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from funcnn._files import sync, sync_folder
from funcnn._paths import named
from funcnn._untrusted import parse_json, read_regular
from funcnn.parallel._placing import on_host, placed
from funcnn.training._checkpoints._errors import CheckpointError, DamagedError
from funcnn.training._checkpoints._handler import SaveArrays, read_named
from funcnn.training._named_arrays import Arrays, differences

FORMAT = 1  # of the folder; a newer one is refused, an older one has to be read
_ARRAYS, _PROGRESS, _MANIFEST = "train_state", "progress.json", "manifest.json"


def copied(train_state: Any) -> Arrays:
    """Copies of all leaves by name, as the next step is given the originals.

    With several processes all call it, or `give`.
    """
    return {name: on_host(_plain(leaf)) for name, leaf in named(train_state).items()}


def give(train_state: Any) -> None:
    """Gives another process, which copies all leaves, this one's parts of them."""
    for leaf in named(train_state).values():
        on_host(_plain(leaf))


def write(
    checkpointer: ocp.Checkpointer,
    folder: Path,
    arrays: Arrays,
    progress: dict[str, Any],
) -> None:
    """Writes a checkpoint into an empty folder, and has all of it synced.

    Raises:
      Exception: of Orbax or the system, when it cannot be written.
    """
    checkpointer.save((folder / _ARRAYS).absolute(), SaveArrays(arrays))
    content = json.dumps({"format": FORMAT, **progress}, indent=1)
    (folder / _PROGRESS).write_text(content + "\n")
    _seal(folder)


def _seal(folder: Path) -> None:
    """Writes the manifest of all files below the folder, and syncs them all."""
    files = _files(folder)
    for file in files:
        sync(file)
    for below in {file.parent for file in files}:
        sync_folder(below)
    hashes = {str(file.relative_to(folder)): _sha256(file) for file in files}
    (folder / _MANIFEST).write_text(_manifest(hashes))
    sync(folder / _MANIFEST)
    sync_folder(folder)


def verify(folder: Path) -> None:
    """Holds every file against the manifest.

    Raises:
      DamagedError: naming what is missing, too much or changed.
    """
    try:
        text = read_regular(folder / _MANIFEST).decode()
        hashes = parse_json(text.encode())["files"]
        if text != _manifest(hashes):
            raise DamagedError(f"{_MANIFEST} was changed")
        here = {str(f.relative_to(folder)) for f in _files(folder)} - {_MANIFEST}
        for name in sorted(hashes.keys() | here):
            if name not in here:
                raise DamagedError(f"{name} is missing")
            if (folder / name).is_symlink() or not (folder / name).is_file():
                raise DamagedError(f"{name} is no file")
            if name not in hashes or _sha256(folder / name) != hashes[name]:
                raise DamagedError(f"{name} was changed")
    except FileNotFoundError:
        raise DamagedError(f"{_MANIFEST} is missing") from None
    except OSError as error:
        raise DamagedError(f"it cannot be read: {error}") from error
    except DamagedError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DamagedError(f"{_MANIFEST} was changed") from None


def read_progress(folder: Path) -> dict[str, Any]:
    """The progress of a checkpoint that was verified.

    Raises:
      CheckpointError: when it is of a newer format than this funcnn knows, or was
        made up.
    """
    try:
        progress = parse_json(read_regular(folder / _PROGRESS))
    except (OSError, ValueError) as error:
        raise DamagedError(f"{_PROGRESS} is damaged: {error}") from error
    if not isinstance(progress, dict):
        raise DamagedError(f"{_PROGRESS} must hold an object")
    if progress.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder}: of format {progress.get('format')}; this funcnn reads {FORMAT}"
        )
    if not isinstance(progress.get("settings"), dict):
        raise DamagedError(f"{_PROGRESS} has no settings")
    return progress


def read_state(folder: Path, like: Any) -> Any:
    """The arrays of a checkpoint that was verified, in the structure of `like`.

    Args:
      folder: the checkpoint.
      like: a train state; its arrays say structure, shapes, dtypes, the kind of its
        keys, and on which devices the arrays will be.

    Raises:
      CheckpointError: listing what differs in name, shape or dtype.
    """
    arrays = read_named(folder / _ARRAYS)
    needed = named(like)
    plain = {name: jax.eval_shape(_plain, leaf) for name, leaf in needed.items()}
    different = differences(plain, arrays)
    if different:
        raise CheckpointError(
            f"{folder}: of another model or optimizer: " + "; ".join(different)
        )
    leaves = [_placed(arrays[name], leaf) for name, leaf in needed.items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _plain(leaf: Any) -> Any:
    """A key's numbers, and any other array as it is."""
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def _placed(array: np.ndarray, like: Any) -> Any:
    """The array as `like` is: a key if that is one, and on its devices."""
    sharding = getattr(like, "sharding", None)
    if jax.dtypes.issubdtype(like.dtype, jax.dtypes.prng_key):
        impl = jax.random.key_impl(like)
        return jax.random.wrap_key_data(placed(array, sharding), impl=impl)
    return placed(array, sharding)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest(hashes: dict[str, str]) -> str:
    """The only text that is a manifest of these files."""
    own = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": hashes, "sha256": own}, indent=1) + "\n"
