"""What is fuzzed, and what one input comes to."""

import contextlib
import dataclasses
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz._guard import guarded
from benchmarks.fuzz._meters import Meter

Files = dict[str, bytes]  # by name, below one folder

# What any input may take, however small: buffers, the interpreter's own blocks.
FLOOR = 2 << 20
TIMES = 10  # memory beyond that, over the size of the input
SECONDS = 10.0  # of CPU


def total(files: Files) -> int:
    """The bytes of all files."""
    return sum(map(len, files.values()))


@dataclasses.dataclass(frozen=True)
class Target:
    """A parser, and the inputs that it is given.

    Attributes:
      name: for the table.
      inputs: of files.
      parse: is called with their folder.
      errors: those that are ours; everything else that is raised is a defect.
      share: how many of the inputs it gets, beside the others.
      size: the bytes of which memory may be `TIMES`; of compressed data those that they
        unpack to.
      main: the file that is fuzzed by coverage, of those of `valid`.
      valid: an input that is parsed without an error.
    """

    name: str
    inputs: SearchStrategy[Files]
    parse: Callable[[Path], object]
    errors: tuple[type[Exception], ...]
    valid: Files
    main: str
    share: int = 1
    size: Callable[[Files], int] = total


class NotSurvivedError(Exception):
    """An input was too much for a parser."""


class Outcome(NamedTuple):
    """What an input came to: "result", or the error's name; memory in bytes."""

    kind: str
    memory: int
    times: float  # the input's size, beyond the floor
    seconds: float


def attempt(target: Target, files: Files, folder: Path, meter: Meter) -> Outcome:
    """Writes the files into the folder, alone, and has them parsed.

    Raises:
      NotSurvivedError: for an error that is not ours, too much time or memory, or a
        file written elsewhere.
    """
    size = target.size(files)
    outcome = _measured(target, files, folder, meter, size)
    if outcome.times > TIMES:  # is it the input's, or was something loaded and kept?
        outcome = _measured(target, files, folder, meter, size)
    if outcome.times > TIMES:
        words = f"{outcome.memory:,} bytes of memory for {size:,} of input"
        raise NotSurvivedError(words)
    return outcome


def _measured(
    target: Target, files: Files, folder: Path, meter: Meter, size: int
) -> Outcome:
    _write(files, folder)
    before = time.process_time()
    with meter as measured, guarded(folder) as written, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = _parsed(target, folder)
    seconds, memory = time.process_time() - before, measured.peak
    if written:
        raise NotSurvivedError(f"not for a parser: {'; '.join(written)}")
    if seconds > SECONDS:
        raise NotSurvivedError(f"{seconds:.1f} s for {size} bytes")
    times = max(0, memory - FLOOR) / max(1, size)
    return Outcome(kind, memory, times, seconds)


def _parsed(target: Target, folder: Path) -> str:
    try:
        target.parse(folder)
    except target.errors as error:
        str(error).encode(errors="backslashreplace")  # as standard error does
        return type(error).__name__
    except Exception as error:
        raise NotSurvivedError(f"{type(error).__name__}: {str(error)[:300]}") from error
    return "result"


def _write(files: Files, folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
    folder.mkdir()
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
