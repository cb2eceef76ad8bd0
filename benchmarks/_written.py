"""What every part of the benchmarks leaves in its folder."""

import importlib.metadata
import json
import os
import pathlib
import platform
from collections.abc import Iterable
from typing import Any

OUT = pathlib.Path("benchmarks/results")


def write(
    folder: pathlib.Path, name: str, title: str, text: str, record: dict[str, Any]
) -> None:
    """Writes the record as ``name.json``, and the text, under a title, as ``name.md``.

    The record gets what the numbers depend on: machine, Python and versions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(_where() | record, indent=1) + "\n")
    (folder / f"{name}.md").write_text(f"# {title}\n\n{text}\n")


def _where() -> dict[str, Any]:
    return {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "python": platform.python_version(),
        "versions": versions(("jax", "jaxlib", "optax", "funcnn")),
    }


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """The installed version of each package, or None."""
    return {name: _version(name) for name in sorted(set(packages))}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
