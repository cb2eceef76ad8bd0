"""Where the records of a run go."""

import contextlib
import errno
import json
import math
import os
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from funcnn._files import sync_folder, write_whole
from funcnn.training._run import Record


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
    """TensorBoard's event files, of tensorboardX; by the epoch, each synced.

    Written in the calling thread: the thread of tensorboardX's `SummaryWriter` keeps
    what a full disk did to it to itself, and its queue then blocks whoever writes.

    Args:
      folder: theirs, such as ``runs/today``, which `tensorboard --logdir` is given.

    Raises:
      ImportError: without tensorboardX (`pip install 'funcnn[cli]'`).
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        Path(folder).mkdir(parents=True, exist_ok=True)
        # A file of its own: tensorboardX names them by the second.
        own = f".{time.time_ns()}"
        self._writer = EventsWriter(os.path.join(folder, "events"), own)
        weakref.finalize(self, _close, self._writer)

    def __call__(self, record: Record) -> None:
        """Writes all numbers of a record, under `train/` and `test/`.

        Raises:
          OSError: when they cannot be written now; they come with the next record.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        now, epoch = time.time(), record["epoch"]
        for name, value in record.items():
            tag = name.replace("train_", "train/").replace("test_", "test/")
            event = Event(wall_time=now, step=epoch, summary=scalar(tag, value))
            self._writer.write_event(event)
        self._writer.flush()


def _close(writer: Any) -> None:
    with contextlib.suppress(OSError):  # which was told of when it came
        writer.close()


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
    if before == 0:  # a new file is there when its folder says so
        sync_folder(path.parent)
