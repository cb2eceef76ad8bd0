"""Faults of the user's files and options: one line and an exit code, no traceback."""

import contextlib
from collections.abc import Iterator

import typer

from funcnn.data import DataError
from funcnn.errors import LayerError
from funcnn.training import WeightsError


class InputError(Exception):
    """Input that there is nothing to be done with: exit code 2, as for options."""


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turns the errors that bad input raises into a line on standard error."""
    try:
        yield
    except (DataError, LayerError, WeightsError, ImportError) as error:
        _fail(str(error))
    except InputError as error:
        _fail(str(error), 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}")
    except KeyboardInterrupt:
        typer.echo("funcnn: interrupted", err=True)
        raise typer.Exit(130) from None


def _fail(message: str, code: int = 1) -> None:
    typer.echo(f"funcnn: {message}", err=True)
    raise typer.Exit(code)
