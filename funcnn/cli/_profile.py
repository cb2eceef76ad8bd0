"""`--profile`: a trace of some steps of a run."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import typer

from funcnn.cli._run_folder import RunFolder
from funcnn.parallel._processes import is_first
from funcnn.training import Progress
from funcnn.training._progress import shown

_FIRST, _STEPS = 10, 20  # after those that compile and fill the caches


class Profiled:
    """A display that also turns the profiler on and off."""

    def __init__(self, display: Progress, folder: RunFolder) -> None:
        self._display, self._folder = display, folder
        self._seen, self._on = 0, False

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Counts the batch, and begins or ends the trace."""
        self._display.batch(epoch, done, total)
        self._seen += 1
        if self._seen == _FIRST:
            jax.profiler.start_trace(
                self._folder.path / "profile", create_perfetto_trace=True
            )
            self._on = True
        elif self._seen == _FIRST + _STEPS:
            self.end()

    def epoch(self, record: dict[str, Any]) -> None:
        """Tells the display."""
        self._display.epoch(record)

    def end(self) -> None:
        """Writes the trace, if one is on."""
        if self._on:
            self._on = False
            jax.profiler.stop_trace()


@contextlib.contextmanager
def progress_of(folder: RunFolder, options: Any) -> Iterator[Progress | bool]:
    """What `fit` is to tell of the run's progress."""
    if not options.profile or not is_first():
        yield True
        return
    with shown(options.epochs, True, options.batch_size) as display:
        profiled = Profiled(display, folder)
        try:
            yield profiled
        finally:
            profiled.end()
    traces = sorted((folder.path / "profile").rglob("perfetto_trace.json.gz"))
    if traces:
        typer.echo(f"for ui.perfetto.dev: {traces[-1]}")
    else:
        typer.echo(f"no trace: the run has fewer than {_FIRST} steps")
