"""Where the records of a run go."""

import errno
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from funcnn._files import write_whole

Record = dict[str, Any]


class JsonLines:
    """A file with a line of JSON per record, each synced; `null` for NaN.

    A record that the disk has no room for leaves no half line: OSError is raised, and
    the line is written with the next one.

    Args:
      path: the file; its folder must be there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._missing = b""

    def restart(self, records: Sequence[Record]) -> None:
        """Begins with these records, for a run that goes on, and drops all others."""
        if records or self._path.exists():
            write_whole(self._path, b"".join(map(_line, records)))

    def __call__(self, record: Record) -> None:
        """Adds a line.

        Raises:
          OSError: when it cannot be written now.
        """
        self._missing += _line(record)
        _append(self._path, self._missing)
        self._missing = b""


class TensorBoard:
    """TensorBoard's event files, of tensorboardX; by the epoch.

    Args:
      folder: theirs, such as ``runs/today``, which `tensorboard --logdir` is given.

    Raises:
      ImportError: without tensorboardX (`pip install 'funcnn[cli]'`).
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(os.fspath(folder))

    def __call__(self, record: Record) -> None:
        """Writes all numbers of a record, under `train/` and `test/`."""
        for name, value in record.items():
            tag = name.replace("train_", "train/").replace("test_", "test/")
            self._writer.add_scalar(tag, value, record["epoch"])
        self._writer.flush()


def _line(record: Record) -> bytes:
    # JSON has no NaN, and other programs' readers refuse it.
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }
    return json.dumps(finite).encode() + b"\n"


def _append(path: Path, lines: bytes) -> None:
    with open(path, "ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(before)
            error.filename = str(path)
            raise
