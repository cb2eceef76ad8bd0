"""Names that are imported when they are first asked for.

A package lists them in its stub, `__init__.pyi`, in the imports that type checkers and
editors read; `import funcnn` then runs no op's file, and a script only those it uses.
"""

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def exports(
    package: str,
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package, as its stub lists them.

    The stub's lines are `from module import name as name`, or `*` for all the names of
    another such package.
    """
    module = sys.modules[package]
    homes = dict(_homes(Path(str(module.__file__)).with_suffix(".pyi")))

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if homes[name] == package:
            return importlib.import_module(f"{package}.{name}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(module, name, value)  # so that it is asked for once
        return value

    def names() -> list[str]:
        return sorted({*vars(module), *homes})

    return get, names, [name for name in homes if not name.startswith("_")]


def _homes(stub: Path) -> Iterator[tuple[str, str]]:
    """Each name that a stub lists, with the module that has it."""
    for line in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom) and line.module:
            names = [alias.name for alias in line.names]
            if names == ["*"]:
                names = importlib.import_module(line.module).__all__
            yield from ((name, line.module) for name in names)
