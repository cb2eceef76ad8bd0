"""One run in a folder at a time."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from funcnn.training._checkpoints._errors import CheckpointError


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this process, and lets it go however the process ends.

    On systems without `fcntl` nothing is held.

    Raises:
      CheckpointError: when another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(folder / ".lock", "a+", opener=_opened) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            message = f"{folder}: another run (process {holder}) writes there"
            raise CheckpointError(message) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_locked(folder: Path) -> bool:
    """Whether some process holds the folder; nothing is written to find out."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        with open(folder / ".lock", opener=_opened) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it is not there, or not ours
        return False
    return False


def _opened(path: str, flags: int) -> int:
    """A file of this folder: a link might lead to any other, which would be emptied."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
