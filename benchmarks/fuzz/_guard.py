"""Sees what a parser does besides reading: Python tells of it by audit events."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = {  # event: which of its arguments are paths that are changed
    "os.mkdir": [0],
    "os.remove": [0],
    "os.rmdir": [0],
    "os.rename": [0, 1],
    "os.link": [0, 1],
    "os.symlink": [1],
    "os.truncate": [0],
    "os.chmod": [0],
    "shutil.rmtree": [0],
}
_NEVER = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"}
_NEVER |= {"socket.connect", "pickle.find_class", "exec.marshal"}

_seen: list[str] = []
_folder: str | None = None  # while a parser is at work


@contextlib.contextmanager
def guarded(folder: Path) -> Iterator[list[str]]:
    """A list of what was written outside of the folder, run, connected or unpickled."""
    global _folder
    _installed()
    _seen.clear()
    _folder = os.path.realpath(folder)
    try:
        yield _seen
    finally:
        _folder = None


def _installed() -> None:
    if not getattr(sys, "_funcnn_guard", False):
        sys.addaudithook(_hook)
        sys._funcnn_guard = True  # type: ignore[attr-defined]


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _folder is None:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & _WRITES:
            _look(event, path)
    elif event in _PATHS:
        for place in _PATHS[event]:
            _look(event, arguments[place])
    elif event in _NEVER:
        _seen.append(event)


def _look(event: str, path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):  # a descriptor, seen before
        return
    real = os.path.realpath(os.fsdecode(path))
    # JAX's own cache has programs under names of its own; no input decides on it.
    places = filter(
        None, (_folder, jax.config.values["jax_compilation_cache_dir"], os.devnull)
    )
    if not any(f"{real}{os.sep}".startswith(f"{place}{os.sep}") for place in places):
        _seen.append(f"{event} {real}")
