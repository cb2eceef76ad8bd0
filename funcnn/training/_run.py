"""How far a run is: what a checkpoint has beside the arrays."""

import dataclasses
import functools
import hashlib
import importlib.metadata
import platform
import time
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from funcnn._version import __version__
from funcnn.training._loss import Metrics

Record = dict[str, Any]
_LAST = {"learning_rate"}  # of these the last value of an epoch counts, not the mean
_HASHED = 1 << 28  # bytes of an array that are looked at, evenly from all of it


class History(list[Record]):
    """One record per finished epoch, and how the run ended.

    Attributes:
      interrupted: whether Ctrl-C was pressed, or SIGTERM came.
      signal: its number, or 0.
      not_saved: why the last checkpoint could not be written, or "".
      not_told: why a sink could not take the last record, or "".
    """

    interrupted: bool = False
    signal: int = 0
    not_saved: str = ""
    not_told: str = ""


@dataclasses.dataclass
class Epoch:
    """The figures of an epoch so far, as sums, so that none is kept for each step."""

    batch: int = 0  # batches done
    counted: int = 0  # of which these are in the sums
    skipped: int = 0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    last: dict[str, float] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0  # until the last pause
    since: float = dataclasses.field(default_factory=time.perf_counter)

    def add(self, metrics: Metrics) -> None:
        """Counts a step's metrics; a skipped one's not, as they are not finite."""
        values = {name: float(value) for name, value in metrics.items()}
        values.pop("finite", None)
        if values.pop("skipped", 0.0):
            self.skipped += 1
            return
        self.counted += 1
        for name, value in values.items():
            if name in _LAST:
                self.last[name] = value
            else:
                self.sums[name] = self.sums.get(name, 0.0) + value

    def elapsed(self) -> float:
        """Seconds of training, those before a pause counted."""
        return self.seconds + time.perf_counter() - self.since

    def record(self, number: int, batch_size: int) -> Record:
        """The epoch's record."""
        seconds = self.elapsed()
        means = {f"train_{n}": s / self.counted for n, s in self.sums.items()}
        skipped = {"skipped_steps": self.skipped} if self.skipped else {}
        speed = self.batch * batch_size / seconds
        return {
            "epoch": number,
            "seconds": seconds,
            "examples_per_second": speed,
            **means,
            **self.last,
            **skipped,
        }


@dataclasses.dataclass
class Run:
    """The epochs that are done, and the one that is begun."""

    history: History = dataclasses.field(default_factory=History)
    epoch: int = 1
    current: Epoch = dataclasses.field(default_factory=Epoch)

    def ended(self, record: Record) -> None:
        """Goes on to the next epoch."""
        self.history.append(record)
        self.epoch, self.current = self.epoch + 1, Epoch()

    def progress(self) -> dict[str, Any]:
        """This as JSON has it."""
        current = dataclasses.asdict(self.current)
        current |= {"seconds": self.current.elapsed()}
        del current["since"]
        return {
            "epoch": self.epoch,
            "current": current,
            "records": list(self.history),
            "versions": versions(),
        }

    @classmethod
    def resumed(cls, progress: dict[str, Any]) -> "Run":
        """What `progress` gave; a warning tells of other versions."""
        now, then = versions(), progress["versions"]
        changed = [
            f"{n} {then.get(n)} to {v}" for n, v in now.items() if then.get(n) != v
        ]
        if changed:
            words = ", ".join(changed)
            warnings.warn(f"going on with other versions: {words}", stacklevel=4)
        current = Epoch(**progress["current"])
        return cls(History(progress["records"]), progress["epoch"], current)


@functools.cache  # each checkpoint has them, and they are read from files
def versions() -> dict[str, str]:
    """What the bits of a result hang on, beside the settings."""
    names = ("jax", "jaxlib", "numpy", "optax")
    own = {
        "funcnn": __version__,
        "python": platform.python_version(),
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    }
    return own | {name: importlib.metadata.version(name) for name in names}


def settings_of(data: Sequence[Any], batch_size: int, seed: int) -> dict[str, Any]:
    """What decides the order and the content of the batches, as JSON has it."""
    arrays = [np.asarray(array) for array in data]
    return {
        "batch_size": batch_size,
        "seed": seed,
        "train_data": [f"{a.dtype}{list(a.shape)}" for a in arrays],
        "train_data_sha256": [_digest(array) for array in arrays],
    }


def _digest(array: np.ndarray) -> str:
    stride = max(1, -(-array.nbytes // _HASHED))
    rows = np.ascontiguousarray(array[::stride])
    return hashlib.sha256(rows.view(np.uint8).reshape(-1).data).hexdigest()[:16]
