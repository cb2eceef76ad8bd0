"""What a user names on the command line, imported."""

import contextlib
import functools
import importlib
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import funcnn
from funcnn.cli._faults import InputError
from funcnn.parallel import CompilationError, MissingCompilerError, TargetError

# Of the target that it is compiled for.
_NOT_OF_THE_CODE = TargetError, MissingCompilerError, CompilationError


def imported(name: str) -> Callable[..., Any]:
    """The callable that ``module:name`` or ``path/to/file.py:name`` stands for.

    Raises:
      InputError: when there is no such thing, or it cannot be imported or called.
    """
    module_name, _, attribute = name.rpartition(":")
    if not module_name or not attribute:
        raise InputError(f"needs MODULE:NAME or path/to/file.py:NAME, got {name!r}")
    found: Any = _module(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(f"{module_name} has no {attribute!r}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{name} cannot be called: it is of type {_type(found)}")
    return found


@contextlib.contextmanager
def calling_users_code(
    what: str, kinds: tuple[type[BaseException], ...] = (Exception, SystemExit)
) -> Iterator[None]:
    """Turns what the user's code raises into one line that names it and the place."""
    try:
        yield
    except (InputError, *_NOT_OF_THE_CODE):
        raise
    except kinds as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise InputError(
            f"{what} raised {_type(error)}: {said}{_place(error)}"
        ) from error


def _module(name: str) -> types.ModuleType:
    if name.endswith(".py"):
        return _of_file(Path(name).resolve())
    _look_in(Path.cwd())
    with calling_users_code(f"importing {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = str(error.name)
            if name == missing or name.startswith(f"{missing}."):
                raise InputError(f"there is no module {missing!r}") from None
            raise


@functools.cache  # what one name and --args find in it has to be of one module
def _of_file(path: Path) -> types.ModuleType:
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    _look_in(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None  # for a name in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # unless the name is a library's
    with calling_users_code(f"importing {path}"):
        spec.loader.exec_module(module)
    return module


def _look_in(folder: Path) -> None:
    """For imports, first of all, as Python does for the script that it is given."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _place(error: BaseException) -> str:
    """The innermost line of the user's own code, if the error has passed any."""
    ours = str(Path(funcnn.__file__).parent) + os.sep
    frames = traceback.extract_tb(error.__traceback__)
    users = [
        f"{f.filename}:{f.lineno}"
        for f in frames
        if not f.filename.startswith((ours, "<frozen"))
        and "site-packages" not in f.filename
    ]
    return f" ({users[-1]})" if users else ""


def _type(thing: object) -> str:
    return type(thing).__name__
