"""What of a folder is on the disk, as its system calls are gone through."""

import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.sync_order._calls import Call


class Named(NamedTuple):
    """What got the name by which it is found, and how much of it was synced before."""

    path: pathlib.PurePath
    files: int
    folders: int


_SETS = ("_known", "_folders", "_content", "_names", "_synced")


class Disk:
    """What a power failure would leave of a folder.

    Attributes:
      named: what got its name, in order. A name is final when no part of the path
        begins with a dot, as those of what is not finished do.
      faults: what was named or deleted before all that it needs was on the disk.
    """

    def __init__(self, root: pathlib.PurePath) -> None:
        self._root = root
        self._known: set[pathlib.PurePath] = set()
        self._folders: set[pathlib.PurePath] = set()
        self._content: set[pathlib.PurePath] = set()  # not synced
        self._names: set[pathlib.PurePath] = set()  # not synced in their folders
        self._synced: set[pathlib.PurePath] = set()
        self.named: list[Named] = []
        self.faults: list[str] = []

    def follow(self, all_calls: Iterable[Call]) -> "Disk":
        """Goes through the calls, to the end."""
        for call in all_calls:
            if call.paths[-1].is_relative_to(self._root):
                self._one(call)
        self._look_at_names("the end")
        return self

    def _one(self, call: Call) -> None:
        path = call.paths[-1]
        if call.name in ("fsync", "fdatasync"):
            self._sync(path)
        elif call.name.startswith("rename"):
            self._rename(call.paths[0], path)
        elif call.name.startswith(("unlink", "rmdir")):
            self._remove(path)
        elif call.name.startswith("mkdir"):
            self._create(path)
            self._folders.add(path)
        elif not call.name.startswith(("open", "creat")):
            self._content.add(path)
            self._synced.discard(path)
        elif "O_CREAT" in call.text or call.name == "creat":
            if path not in self._known:
                self._create(path)
            self._content.add(path)

    def _create(self, path: pathlib.PurePath) -> None:
        self._known.add(path)
        self._names.add(path)

    def _sync(self, path: pathlib.PurePath) -> None:
        self._content.discard(path)
        self._synced.add(path)
        self._names = {name for name in self._names if name.parent != path}

    def _remove(self, path: pathlib.PurePath) -> None:
        if any(path.is_relative_to(named.path) for named in self.named):
            self._look_at_names(f"{path} was deleted")
        for name in _SETS:
            getattr(self, name).discard(path)

    def _rename(self, old: pathlib.PurePath, new: pathlib.PurePath) -> None:
        parts = new.relative_to(self._root).parts
        if not any(part.startswith(".") for part in parts):
            self._look_at_names(f"{new} was named")
            self._look_below(old, new)
        for name in _SETS:
            setattr(self, name, {_moved(p, old, new) for p in getattr(self, name)})
        self._names.add(new)

    def _look_below(self, old: pathlib.PurePath, new: pathlib.PurePath) -> None:
        """Content and names of what is named, and the names of the folders above."""
        above = {path for path in new.parents if path.is_relative_to(self._root)}
        inside = {p for p in self._names if p.is_relative_to(old)} - {old}
        lost = [
            *(f"the content of {p}" for p in self._content if p.is_relative_to(old)),
            *(f"the name of {p}" for p in inside | self._names & above),
        ]
        self.faults += [f"{new} was named before {what} was synced" for what in lost]
        below = {p for p in self._synced if p.is_relative_to(old)}
        folders = below & self._folders
        self.named.append(Named(new, len(below - folders), len(folders)))

    def _look_at_names(self, when: str) -> None:
        for named in self.named:
            if named.path in self._names:
                fault = f"{when} before the name of {named.path} was synced"
                self.faults.append(fault)


def _moved(
    path: pathlib.PurePath, old: pathlib.PurePath, new: pathlib.PurePath
) -> pathlib.PurePath:
    return new / path.relative_to(old) if path.is_relative_to(old) else path
