"""Reports of the checker, as commands print, save and answer with them."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from funcnn.gradients import Report

VERDICTS = """\b
OK            the derivative of its function
KINK          at a kink, between the one-sided slopes
SURROGATE     differs from its function as it is declared to
AUTO WRONG    right where automatic differentiation is not
NOT TESTABLE  the row says why

These fail:

\b
RULE WRONG    not the derivative of its function
BOTH WRONG    nor is the automatic derivative
KINK OUTSIDE  at a kink, outside of the one-sided slopes
STRUCTURE     a cotangent of the wrong number, shape or dtype
RAISES        the row says what"""


def _ends_in(suffix: str) -> Any:
    """Refuses a file that could not be written, before anything is computed."""

    def checked(path: Path | None) -> Path | None:
        if path is not None and path.suffix != suffix:
            raise typer.BadParameter(f"needs a name that ends in {suffix}, got {path}")
        if path is not None and not path.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {path.parent}")
        return path

    return checked


def _file(kind: str, help_: str) -> Any:
    return typer.Option(
        f"--{kind}", metavar="FILE", callback=_ends_in(f".{kind}"), help=help_
    )


JsonFile = Annotated[Path | None, _file("json", "Write all that was found as JSON.")]
HtmlFile = Annotated[
    Path | None, _file("html", "Write a page with all that was found.")
]
Fast = Annotated[
    bool,
    typer.Option(
        "--fast", help="Fewer points, no second derivatives, no other shapes."
    ),
]


def with_places(report: Report) -> Report:
    """The report with where the derivatives that fail stand, whole."""
    places = [f"{r.rule}: {r.place}" for r in report.failures if r.place]
    notes = (*report.notes, *dict.fromkeys(places))
    return dataclasses.replace(report, notes=notes)


def answer(report: Report, json: Path | None, html: Path | None) -> None:
    """Prints and saves a report.

    Raises:
      typer.Exit: with code 1, unless all is well.
      OSError: when a file cannot be written.
    """
    typer.echo(str(with_places(report)))
    if json is not None:
        report.save(json)
    if html is not None:
        report.save(html)
    if not report.ok:
        raise typer.Exit(1)
