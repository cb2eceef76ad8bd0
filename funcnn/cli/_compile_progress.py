"""What a person sees while programs are compiled."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Protocol

from funcnn.parallel import Report


class Display(Protocol):
    """What is told of each compilation."""

    def __call__(self, batch: int, report: Report | None) -> None:
        """Before it there is no report."""


@contextlib.contextmanager
def shown() -> Iterator[Display]:
    """A line for each on standard error, on a terminal with what goes on meanwhile."""
    if not sys.stderr.isatty():
        yield _line
        return
    from rich.console import Console

    # a stream of its own, for a compiler's standard error is turned off
    with (
        os.fdopen(os.dup(2), "w", encoding="utf-8") as stream,
        Console(file=stream).status("") as status,
    ):

        def tell(batch: int, report: Report | None) -> None:
            if report is None:
                status.update(f"compiling with a batch of {batch:,}")
            else:
                status.console.print(_said(batch, report), highlight=False)

        yield tell


def _line(batch: int, report: Report | None) -> None:
    if report is not None:
        print(_said(batch, report), file=sys.stderr, flush=True)


def _said(batch: int, report: Report) -> str:
    needed = (report.needed or 0) / 2**30
    fits = {True: "fits", False: "does not fit", None: "compiled"}[report.fits]
    return f"batch of {batch:,}: {needed:.2f} GiB, {fits}"
