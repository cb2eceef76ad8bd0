"""The folder of a run's checkpoints: which are written, kept, and gone on from."""

import contextlib
import dataclasses
import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from funcnn._files import make_folders
from funcnn.parallel._processes import from_first, on_first
from funcnn.training._checkpoints._errors import CheckpointError, DamagedError
from funcnn.training._checkpoints._lock import is_locked, locked


class Restored(NamedTuple):
    """A checkpoint that was read: the train state, and the progress beside it."""

    train_state: Any
    progress: dict[str, Any]
    path: Path


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """Where checkpoints are written, how often, and which are kept.

    `fit` writes one after every `every` steps, or after every epoch when that is None,
    and when it ends, for whatever reason. It goes on from the newest that is whole, if
    the folder has one. They are written in the background; what is in the folder
    under a number is whole and on the disk. A loop of one's own does the same with

        restored = checkpoints.newest(train_state)
        with checkpoints.opened() as opened:
            opened.save(step, train_state, {"epoch": 3})

    Attributes:
      folder: theirs alone; is made when it is not there.
      every: how many steps lie between two; None for one per epoch.
      keep: how many of the newest are kept.
      keep_best: how many of the best are kept beside them, of those at an epoch's end.
      best: the figure of an epoch's record that says which are the best.
      highest: whether the best have the highest; by default for names with "accuracy".
      settings: what a run may not go on without, as JSON has it; compared with those
        of the checkpoint.
    """

    folder: str | os.PathLike[str]
    every: int | None = None
    keep: int = 3
    keep_best: int = 0
    best: str = "test_loss"
    highest: bool | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("every", 1), ("keep", 1), ("keep_best", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise ValueError(f"{name} must be at least {least}, got {value!r}")

    @contextlib.contextmanager
    def opened(self) -> Iterator["Opened | Follower"]:
        """The folder, held for this process, until what was begun is written.

        Of several processes, which all call this, the first holds it and writes.

        Raises:
          CheckpointError: when another process writes there.
          OSError: when it cannot be made.
          ImportError: without Orbax (`pip install 'funcnn[cli]'`).
        """
        with contextlib.ExitStack() as stack:
            first = on_first(lambda: self._held(stack), CheckpointError)
            yield first or Follower(self)

    def _held(self, stack: contextlib.ExitStack) -> "Opened":
        folder = Path(self.folder).absolute()
        make_folders(folder)
        stack.enter_context(locked(folder))
        return stack.enter_context(contextlib.closing(Opened(self, folder)))

    def paths(self) -> list[Path]:
        """The checkpoints that are there, from the oldest to the newest."""
        return _paths(Path(self.folder))

    def in_use(self) -> bool:
        """Whether a run is writing there now."""
        return is_locked(Path(self.folder))

    def newest(self, like: Any) -> Restored | None:
        """Reads the newest checkpoint that is whole; None if there never was one.

        One that is damaged is passed over with a warning. Of several processes, which
        all call this, the first chooses it and all read it.

        Args:
          like: a train state of the model and optimizer, such as
            `TrainState.create` gives; where its arrays are, those that are read will
            be, whatever devices and mesh wrote them.

        Raises:
          CheckpointError: when all are damaged, or it is of another model, optimizer,
            settings or format; the message lists what differs.
        """
        first = on_first(lambda: self._newest(like), CheckpointError)
        chosen = from_first(-1 if first is None else int(first.path.name))
        if first is not None or chosen < 0:
            return first
        paths = {int(path.name): path for path in self.paths()}
        if chosen not in paths:
            raise CheckpointError(
                f"{self.folder}: process 0 reads a checkpoint of step {chosen}, which "
                "this process does not see: all need the same folder"
            )
        return self._read(paths[chosen], like)

    def _newest(self, like: Any) -> Restored | None:
        paths = self.paths()
        damaged = []
        for path in reversed(paths):
            try:
                return self._read(path, like)
            except DamagedError as error:
                damaged.append(f"{path.name}: {error}")
                warnings.warn(f"checkpoint {path} is left out: {error}", stacklevel=2)
        if damaged:
            reasons = "; ".join(damaged)
            raise CheckpointError(f"{self.folder}: all are damaged: {reasons}")
        return None

    def _read(self, path: Path, like: Any) -> Restored:
        from funcnn.training._checkpoints import _contents

        _contents.verify(path)
        progress = _contents.read_progress(path)
        _compare(path, progress["settings"], json.loads(json.dumps(self.settings)))
        return Restored(_contents.read_state(path, like), progress, path)


class Opened:
    """A folder of checkpoints that is being written; see `Checkpoints.opened`."""

    def __init__(self, options: Checkpoints, folder: Path) -> None:
        from funcnn.training._checkpoints._saving import Saver

        self._options, self._folder = options, folder
        self.every = options.every
        self._saver = Saver(folder, lambda name: self._prune())
        self._written: set[str] = set()

    def save(
        self, step: int, train_state: Any, progress: Mapping[str, Any] | None = None
    ) -> None:
        """Begins to write a checkpoint; the train state may be donated afterwards.

        Args:
          step: how many steps were done, which is its name.
          train_state: any pytree of arrays.
          progress: what else is to be there again, as JSON has it.

        Raises:
          OSError: when the one before could not be written; this one is begun.
        """
        from funcnn.training._checkpoints import _contents

        name = _name(step)
        try:
            self._saver.wait()
        finally:
            there = name in self._written and (self._folder / name).exists()
            if from_first(not there):
                full = {**(progress or {}), "settings": dict(self._options.settings)}
                self._saver.save(name, _contents.copied(train_state), full)
                self._written.add(name)

    def set_aside(self, step: int) -> None:
        """Takes checkpoints of later steps out of the row: those that are damaged.

        They keep their content, under names of their own.
        """
        for path in _paths(self._folder):
            if int(path.name) > step:
                other = path.with_name(f"{path.name}.damaged.{time.time_ns()}")
                path.rename(other)
        if (self._folder / _name(step)).exists():
            self._written.add(_name(step))

    def newest(self) -> Path | None:
        """The newest checkpoint that is there."""
        return next(reversed(_paths(self._folder)), None)

    def wait(self) -> None:
        """Waits until what was begun is on the disk.

        Raises:
          OSError: when it could not be written.
        """
        self._saver.wait()

    def close(self) -> None:
        """Waits as well, but does not say whether it could be written."""
        self._saver.close()

    def _prune(self) -> None:
        """Deletes what is neither among the newest nor among the best."""
        paths = _paths(self._folder)
        kept = {*paths[-self._options.keep :], *self._best(paths)}
        for path in paths:
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def _best(self, paths: list[Path]) -> list[Path]:
        options = self._options
        if not options.keep_best:
            return []
        highest = options.highest
        sign = (
            -1 if (("accuracy" in options.best) if highest is None else highest) else 1
        )
        figures = {path: _figure(path, options.best) for path in paths}
        known = {
            path: sign * value for path, value in figures.items() if value is not None
        }
        return sorted(known, key=lambda path: known[path])[: options.keep_best]


class Follower:
    """What `Checkpoints.opened` gives to all processes but the first.

    They have parts of the arrays, which the first one writes.
    """

    def __init__(self, options: Checkpoints) -> None:
        self._folder, self.every = Path(options.folder).absolute(), options.every

    def save(
        self, step: int, train_state: Any, progress: Mapping[str, Any] | None = None
    ) -> None:
        """Gives the first process what it does not have."""
        from funcnn.training._checkpoints import _contents

        if from_first(False):
            _contents.give(train_state)

    def set_aside(self, step: int) -> None:
        """Is the first's."""

    def newest(self) -> Path | None:
        """The newest checkpoint that is there."""
        return next(reversed(_paths(self._folder)), None)

    def wait(self) -> None:
        """Waits for nothing: the first process does."""


Store = Opened | Follower


def _name(step: int) -> str:
    return f"{step:08d}"


def _paths(folder: Path) -> list[Path]:
    """Sorted by number, as a step of nine digits would not be by name."""
    names = [path for path in folder.glob("[0-9]*") if path.name.isdecimal()]
    return sorted(names, key=lambda path: int(path.name))


def _figure(path: Path, name: str) -> float | None:
    """The figure of the epoch that a checkpoint ends, if it ends one."""
    try:
        progress = json.loads((path / "progress.json").read_bytes())
        if progress["current"]["batch"] or not progress["records"]:
            return None
        value = progress["records"][-1].get(name)
        return None if value is None or value != value else float(value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _compare(path: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    different = [
        f"{name} was {then.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if different:
        message = f"{path}: the run had other settings: " + "; ".join(different)
        raise CheckpointError(message)
