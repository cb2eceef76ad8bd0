"""`funcnn audit`: are the hand-written derivatives in anybody's program right?"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from funcnn.cli._faults import InputError, reported
from funcnn.cli._imports import calling_users_code, imported
from funcnn.cli._reports import VERDICTS, Fast, HtmlFile, JsonFile, answer
from funcnn.gradients import audit as audit_program


def audit(
    function: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FUNCTION", help="What to audit; also path/to/file.py:NAME."
        ),
    ],
    args: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:CALLABLE",
            help="Makes FUNCTION's arguments: a tuple or list of them, or the one.",
        ),
    ] = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    fast: Fast = False,
) -> None:
    """Checks every hand-written derivative in a program, ours or anybody's."""
    with reported():
        f = imported(function)
        given = _arguments(args)
        _must_fit(function, f, given, args)
        with calling_users_code(function, (SystemExit,)):
            report = audit_program(f, *given, fast=fast)
        answer(report, json, html)


audit.__doc__ = f"""{audit.__doc__}

FUNCTION is run once, and each rule in it is examined where it stands. Modules are
found from the current folder. CALLABLE is called without arguments.

\b
funcnn audit losses:hinge --args losses:example
funcnn audit my/model.py:loss --args my/model.py:batch --html audit.html

The verdicts:

{VERDICTS}

Exit code 0: no rule fails; 1: one does; 2: it could not be asked.
"""


def _arguments(name: str | None) -> tuple[Any, ...]:
    if name is None:
        return ()
    make = imported(name)
    with calling_users_code(name):
        made = make()
    # not isinstance: a NamedTuple, such as a train state, is one argument
    return tuple(made) if type(made) in (tuple, list) else (made,)


def _must_fit(
    name: str, f: Callable[..., Any], given: tuple[Any, ...], made_by: str | None
) -> None:
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # some callables have none
        return
    try:
        signature.bind(*given)
    except TypeError as error:
        if made_by is None:
            raise InputError(
                f"{name} takes arguments, {signature}: "
                "say with --args MODULE:CALLABLE what makes them"
            ) from None
        raise InputError(
            f"{name} takes {signature}, but {made_by} gives {len(given)}: {error}"
        ) from None
