"""Faults of the user's files and options: one line and exit code 1, no traceback."""

import contextlib
from collections.abc import Iterator

import typer

from funcnn.data import DataError
from funcnn.errors import LayerError
from funcnn.training import WeightsError


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turns the errors that bad input raises into a line on standard error."""
    try:
        yield
    except (DataError, LayerError, WeightsError, ImportError) as error:
        _fail(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}")
    except KeyboardInterrupt:
        typer.echo("funcnn: interrupted", err=True)
        raise typer.Exit(130) from None


def _fail(message: str) -> None:
    typer.echo(f"funcnn: {message}", err=True)
    raise typer.Exit(1)
