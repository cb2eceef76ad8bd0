"""Going on with a run: its own options, and none that are at odds with them."""

import enum
from pathlib import Path
from typing import Any

import typer

from funcnn.cli._faults import InputError
from funcnn.cli._run_folder import RunFolder
from funcnn.data import DataError

# Where things are and what is written beside: these may be others than at first.
_FREE = {"resume", "out", "data_dir", "checkpoint_every", "tensorboard", "profile"}
_PATHS = {"data_dir", "out"}


def resumed_options(ctx: typer.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The options of the run that `--resume` names.

    Args:
      ctx: of the command, which knows what was given and what is a default.
      given: all options by name, with their defaults.

    Raises:
      DataError: when there is no such run, or its configuration is damaged.
      InputError: when an option was given that differs from the run's.
    """
    folder = RunFolder(given["resume"])
    config = folder.config()
    explicit = {n for n in given if _was_given(ctx, n)}
    options, different = dict(given), []
    for name in given.keys() & config.keys() - {"resume"}:
        then = _option(ctx, folder.path / "config.json", name, given, config[name])
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


def _option(
    ctx: typer.Context, file: Path, name: str, given: dict[str, Any], value: Any
) -> Any:
    """An option as the configuration has it, in the type that the command takes."""
    if value is None:
        return None
    param: Any = next(p for p in ctx.command.params if p.name == name)
    try:
        converted = param.type.convert(value, param, ctx)
        if isinstance(given[name], enum.Enum):
            return type(given[name])(str(converted))
        return Path(str(converted)) if name in _PATHS else converted
    except (
        Exception
    ) as error:  # of the parsers, for a file that anyone may have changed
        message = getattr(error, "message", error)
        raise DataError(f"{file}: {name} is damaged: {message}") from error


def _text(value: Any) -> str:
    return value.value if isinstance(value, enum.Enum) else str(value)
