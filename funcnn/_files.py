"""Files that are there whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Writes `content` to `path`, so that a reader sees the old file or the new one.

    Raises:
      OSError: when it cannot be written; nothing is left behind.
    """
    with rename_whole(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def rename_whole(path: Path) -> Iterator[Path]:
    """Gives a file beside `path` to write, which takes its name at the end.

    It is synced before it is renamed, and its folder after: a full disk, a crash, a
    power failure or Ctrl-C in between leaves what was there before.

    Raises:
      OSError: when it cannot be written; nothing is left behind.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        os.close(handle)
        yield temporary
        sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            if temporary is not None:
                temporary.unlink()
        if isinstance(error, OSError):  # a full disk does not say which file
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def make_folders(path: Path) -> None:
    """Makes a folder and those above it, as far as they are missing, to stay.

    What is synced in a folder is lost if the folder's own name is.

    Raises:
      OSError: when they cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def sync(path: Path) -> None:
    """Has a file's content written to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Has a folder's names written to the disk, where the system can say so.

    A rename, or a new file, is on disk only when its folder is.
    """
    with contextlib.suppress(OSError):
        sync(folder)
