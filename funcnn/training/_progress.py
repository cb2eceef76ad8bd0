"""What a person sees while training runs."""

import contextlib
import datetime
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
        self,
        epochs: int,
        write: Callable[[str], object],
        every: float = 30.0,
        batch_size: int = 1,
    ) -> None:
        self._epochs, self._write, self._every = epochs, write, every
        self._last = time.monotonic()
        self._speed = Speed(epochs, batch_size)

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Says where a long epoch stands, how fast it is and how long all will take."""
        self._speed.batch(epoch, done, total)
        if time.monotonic() - self._last >= self._every and done < total:
            self._last = time.monotonic()
            place = f"epoch {epoch}/{self._epochs}  batch {done}/{total}"
            self._write(f"{place}  {self._speed}\n")

    def epoch(self, record: dict[str, Any]) -> None:
        """Writes the epoch's figures."""
        self._last = time.monotonic()
        self._write(line(record, self._epochs) + "\n")


class Speed:
    """Examples per second since the first batch was done, and the time that is left."""

    def __init__(self, epochs: int, batch_size: int) -> None:
        self._epochs, self._batch_size = epochs, batch_size
        self._first: tuple[int, float] | None = None
        self._text = ""

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Counts a batch."""
        number, now = (epoch - 1) * total + done, time.monotonic()
        if self._first is None:  # what came before was compiling
            self._first = number, now
        before, start = self._first
        if number > before and now > start:
            per_second = (number - before) / (now - start)
            left = (self._epochs * total - number) / per_second
            speed = per_second * self._batch_size
            self._text = f"{speed:,.0f} examples/s  {_clock(left)} left"

    def __str__(self) -> str:
        return self._text


def _clock(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))


class Bar:
    """A Rich progress bar over all batches, with the epochs' lines above it."""

    def __init__(self, epochs: int, bar: Any, batch_size: int = 1) -> None:
        self._epochs, self._bar = epochs, bar
        self._task = bar.add_task("compiling", total=None, speed="")
        self._speed = Speed(epochs, batch_size)

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Moves the bar."""
        self._speed.batch(epoch, done, total)
        self._bar.update(
            self._task,
            speed=str(self._speed),
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
def shown(
    epochs: int, progress: bool | Progress, batch_size: int = 1
) -> Iterator[Progress]:
    """The progress to tell of: a bar on a terminal, if Rich is there, else lines."""
    if not isinstance(progress, bool):
        yield progress
    elif not progress:
        yield Silent()
    elif sys.stderr.isatty() and (bar := _rich_bar()) is not None:
        with bar:
            yield Bar(epochs, bar, batch_size)
    else:
        yield Lines(epochs, _write_line, batch_size=batch_size)


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
        )
    except ImportError:  # an extra: plain lines do without it
        return None
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[speed]}"),
        console=Console(stderr=True),
    )
