"""Faults of the user's files and options: one line and an exit code, no traceback."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import typer

from funcnn.data import DataError
from funcnn.errors import LayerError
from funcnn.parallel import CompilationError, TargetError
from funcnn.training import CheckpointError, NonFiniteError, WeightsError


class InputError(Exception):
    """Input that there is nothing to be done with: exit code 2, as for options."""


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turns the errors that bad input raises into a line on standard error."""
    with warnings.catch_warnings():
        warnings.showwarning = _warned
        with _failures():
            yield


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (
        DataError,
        LayerError,
        WeightsError,
        CheckpointError,
        NonFiniteError,
        CompilationError,
        ImportError,
    ) as error:
        _fail(str(error))
    except (InputError, TargetError) as error:
        _fail(str(error), 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}")
    except KeyboardInterrupt:
        typer.echo("funcnn: interrupted", err=True)
        raise typer.Exit(130) from None


def _warned(message: Warning | str, *place: Any, **options: Any) -> None:
    typer.echo(f"funcnn: warning: {message}", err=True)


def _fail(message: str, code: int = 1) -> None:
    typer.echo(f"funcnn: {message}", err=True)
    raise typer.Exit(code)
