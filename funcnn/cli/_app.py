"""The subcommands, joined into one command."""

from typing import Annotated

import typer

import funcnn
from funcnn.cli._audit import audit
from funcnn.cli._check import check
from funcnn.cli._compile import compile_
from funcnn.cli._plot import plot
from funcnn.cli._predict import predict
from funcnn.cli._runs import runs
from funcnn.cli._train import train

app = typer.Typer(
    help="Neural networks as pure functions in JAX, every gradient written by hand.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(train)
app.command()(predict)
app.command()(runs)
app.command()(plot)
app.command()(check)
app.command()(audit)
app.command("compile")(compile_)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"funcnn {funcnn.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which."),
    ] = False,
) -> None:
    """Neural networks as pure functions in JAX, every gradient written by hand."""
