"""Going on with a run: its own options, and none that are at odds with them."""

import enum
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from funcnn.cli._faults import InputError
from funcnn.cli._run_folder import RunFolder
from funcnn.data import DataError

# Where things are and what is written beside: these may be others than at first.
_FREE = {"resume", "out", "data_dir", "checkpoint_every", "tensorboard", "profile"}
_AS_JSON: dict[Any, Any] = {int: int, float: int | float, bool: bool}  # else strings


def resumed_options(
    ctx: typer.Context, command: Callable[..., None], given: dict[str, Any]
) -> dict[str, Any]:
    """The options of the run that `--resume` names.

    Args:
      ctx: of the command, which knows what was given and what is a default.
      command: whose annotations say which types the options have.
      given: all options by name, with their defaults.

    Raises:
      DataError: when there is no such run, or its configuration is damaged.
      InputError: when an option was given that differs from the run's.
    """
    folder = RunFolder(given["resume"])
    config = folder.config()
    explicit = {n for n in given if _was_given(ctx, n)}
    hints = typing.get_type_hints(command, include_extras=True)
    options, different = dict(given), []
    for name in given.keys() & config.keys() - {"resume"}:
        then = _option(hints[name], folder.path / "config.json", name, config[name])
        if name not in explicit:
            options[name] = then
        elif name not in _FREE and given[name] != then:
            flag = "--" + name.replace("_", "-")
            different.append(f"{flag} was {_text(then)}, not {_text(given[name])}")
    if different:
        words = "; ".join(sorted(different))
        raise InputError(f"{folder.path} cannot be resumed with other options: {words}")
    return options


def _was_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def _option(hint: Any, file: Path, name: str, value: Any) -> Any:
    """An option as the configuration has it, in the type that the command takes.

    Raises:
      DataError: when the file, which anyone may have changed, has something else.
    """
    kind, option = typing.get_args(hint)
    if value is None and type(None) in typing.get_args(kind):
        return None
    kind = next((k for k in typing.get_args(kind) if k is not type(None)), kind)
    try:
        if not isinstance(value, _AS_JSON.get(kind, str)) or isinstance(
            value, bool
        ) != (kind is bool):
            raise ValueError(f"{value!r} is not of the type {kind.__name__}")
        typed = kind(value)
        if option.min is not None and not typed >= option.min:
            raise ValueError(f"{typed} is less than {option.min}")
        if option.max is not None and not typed <= option.max:
            raise ValueError(f"{typed} is more than {option.max}")
    except (ValueError, OverflowError) as error:
        raise DataError(f"{file}: {name} is damaged: {error}") from error
    return typed


def _text(value: Any) -> str:
    return value.value if isinstance(value, enum.Enum) else str(value)
