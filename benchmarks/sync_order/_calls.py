"""The system calls that strace noted, and the paths that they are about."""

import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_LINE = re.compile(r"(\d+) +(?:(\w+)\(|<\.\.\. (\w+) resumed>)(.*)")
_PATH = re.compile(r'(?:(?:\d+|AT_FDCWD)<([^>]*)>)|"([^"]*)"')


class Call(NamedTuple):
    """A system call that succeeded, with the paths that it is about."""

    name: str
    paths: tuple[pathlib.PurePath, ...]
    text: str


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """The calls that strace noted; renames when they began, all others when done."""
    begun: dict[str, str] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        process, name, resumed, rest = match.groups()
        if rest.endswith("<unfinished ...>"):
            begun[process] = rest.removesuffix("<unfinished ...>")
            if name.startswith("rename"):
                yield Call(name, _paths(rest), rest)
            continue
        if resumed:
            name, rest = resumed, begun.pop(process, "") + rest
            if name.startswith("rename"):
                continue
        text, _, result = rest.rpartition(" = ")
        if not result.startswith(("-", "?")):
            yield Call(name, _paths(text), text)


def _paths(text: str) -> tuple[pathlib.PurePath, ...]:
    """A folder's descriptor and a name after it are one path."""
    found, folder = [], pathlib.PurePath()
    for opened, name in _PATH.findall(text):
        if opened:
            folder = pathlib.PurePath(opened)
        else:
            found.append(folder / name)
    return tuple(found) or (folder,)
