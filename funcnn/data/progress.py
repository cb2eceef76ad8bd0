"""Progress bars for Pooch's downloads, drawn by Rich."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class DownloadBar:
    """One download's bar, with the four names by which Pooch moves it.

    Pooch sets `total` (bytes) when the answer begins to arrive, calls `update`
    with each chunk's bytes, and `reset` and `close` at the end. The bar shows
    from `total` on, so that a file already in the cache shows none.
    """

    def __init__(self, progress: "Progress", description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None, visible=False)
        self._total = 0

    @property
    def total(self) -> int:
        """The bytes expected, 0 when not known."""
        return self._total

    @total.setter
    def total(self, count: int) -> None:
        self._total = count
        self._progress.update(self._task, total=count or None, visible=True)

    def update(self, count: int) -> None:
        """Move on by so many bytes."""
        self._progress.update(self._task, advance=count)

    def reset(self) -> None:
        """Move back to nothing."""
        self._progress.reset(self._task)

    def close(self) -> None:
        """Leave the bar as it stands: `shown` ends the drawing."""

    def remove(self) -> None:
        """Take the bar of a failed download away."""
        self._progress.remove_task(self._task)


@contextmanager
def shown(visible: bool, console: "Console | None" = None) -> Iterator["Progress"]:
    """Draw bars while the context lasts.

    Args:
        visible: False draws nothing; nor is anything drawn off a terminal.
        console: where to draw; the default is standard error.

    Yields:
        What `DownloadBar` takes.
    """
    import pooch
    from rich import console as consoles
    from rich import progress

    console = console or consoles.Console(stderr=True)
    bars = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        console=console,
        disable=not (visible and console.is_terminal),
    )
    with _quiet(pooch.get_logger()), bars:
        yield bars


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep a logger's news from running into the bars; its warnings still come."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
