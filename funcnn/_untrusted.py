"""Files that others may have written, and the JSON in them, read without harm."""

import json
import os
import stat
from pathlib import Path
from typing import Any

# What the parts of a JSON text take at most in CPython, in bytes.
_TAKEN = {b"{": 240, b"[": 96, b'"': 40, b",": 40}
_TIMES = 4  # memory of all parts over the text's size; beside it are copies of the text
_FREE = 1 << 20  # and for any text
_MOST_DEEP = 32


def read_regular(path: Path) -> bytes:
    """A file's bytes; a pipe or a device, which might never end, is refused.

    Raises:
      OSError: when it cannot be read.
    """
    # Else opening a pipe would wait for somebody to write.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        check_regular(file.fileno(), path)
        return file.read()


def check_regular(file: int | Path, path: Path) -> None:
    """Refuses what is no file, or link to one.

    Raises:
      OSError: naming `path`.
    """
    mode = os.stat(file).st_mode
    if not stat.S_ISREG(mode):
        words = "Is a directory" if stat.S_ISDIR(mode) else "Not a regular file"
        raise OSError(None, words, str(path))


def parse_json(text: bytes) -> Any:
    """What a JSON text says.

    Raises:
      ValueError: when it is none, is nested more than 32 deep, or would take more than
        some ten times its size: many small objects can be written in few bytes.
    """
    check_density(text, len(text))
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    level, deep = [value], 0
    while level := [inner for outer in level for inner in _inside(outer)]:
        deep += 1
        if deep > _MOST_DEEP:  # printing or comparing it might not come to an end
            raise ValueError(f"nested more than {_MOST_DEEP} deep")
    return value


def check_density(text: bytes, size: int) -> None:
    """Refuses a JSON text whose objects would take far more memory than `size`.

    Raises:
      ValueError: then.
    """
    taken = sum(text.count(part) * most for part, most in _TAKEN.items())
    wide = 0 if text.isascii() else 8 * len(text)  # four bytes for each character
    if taken + wide > _TIMES * size + _FREE:
        raise ValueError("too many small parts for its size")


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
