"""What a person sees while training runs."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol


class Progress(Protocol):
    """What `fit` tells of: a batch done, and an epoch's record."""

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Batch number `done` of `total` was handed to the device."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch ended with these figures."""


class Silent:
    """Shows nothing."""

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Shows nothing."""

    def epoch(self, record: dict[str, Any]) -> None:
        """Shows nothing."""


class Lines:
    """A plain line per epoch, and one every half minute within a long epoch."""

    def __init__(
        self, epochs: int, write: Callable[[str], object], every: float = 30.0
    ) -> None:
        self._epochs, self._write, self._every = epochs, write, every
        self._last = time.monotonic()

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Says where a long epoch stands."""
        if time.monotonic() - self._last >= self._every and done < total:
            self._last = time.monotonic()
            self._write(f"epoch {epoch}/{self._epochs}  batch {done}/{total}\n")

    def epoch(self, record: dict[str, Any]) -> None:
        """Writes the epoch's figures."""
        self._last = time.monotonic()
        self._write(line(record, self._epochs) + "\n")


class Bar:
    """A Rich progress bar over all batches, with the epochs' lines above it."""

    def __init__(self, epochs: int, bar: Any) -> None:
        self._epochs, self._bar = epochs, bar
        self._task = bar.add_task("compiling", total=None)

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Moves the bar."""
        self._bar.update(
            self._task,
            completed=(epoch - 1) * total + done,
            total=self._epochs * total,
            description=f"epoch {epoch}/{self._epochs}",
        )

    def epoch(self, record: dict[str, Any]) -> None:
        """Prints the epoch's figures above the bar."""
        self._bar.console.print(line(record, self._epochs), highlight=False)


def line(record: dict[str, Any], epochs: int) -> str:
    """An epoch's record as one line."""
    figures = [f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"]
    for name, value in record.items():
        if name.endswith("_accuracy"):
            figures.append(f"{name.replace('_', ' ')} {value:7.2%}")
        elif name.startswith(("train_", "test_")):
            figures.append(f"{name.replace('_', ' ')} {value:.4f}")
    figures.append(f"{record['seconds']:.1f} s")
    return "  ".join(figures)


@contextlib.contextmanager
def shown(epochs: int, progress: bool | Progress) -> Iterator[Progress]:
    """The progress to tell of: a bar on a terminal, if Rich is there, else lines."""
    if not isinstance(progress, bool):
        yield progress
    elif not progress:
        yield Silent()
    elif sys.stderr.isatty() and (bar := _rich_bar()) is not None:
        with bar:
            yield Bar(epochs, bar)
    else:
        yield Lines(epochs, _write_line)


def _write_line(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _rich_bar() -> Any:
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
    except ImportError:  # an extra: plain lines do without it
        return None
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
