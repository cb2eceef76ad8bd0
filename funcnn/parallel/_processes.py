"""Several processes that run one program: who does what, and what all agree on."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")
_LONGEST_PATH = 4096  # bytes, as Linux has it
_LONGEST = 1000  # bytes of an error's text that the other processes are told
_SECONDS = 1.0  # between two times that they ask each other


def is_first() -> bool:
    """Whether this is the process that writes and shows."""
    return jax.process_index() == 0


def from_first(value: int) -> int:
    """The first process's value, at all of them, which have to call this together."""
    if jax.process_count() == 1:
        return value
    return int(_from_first(np.asarray(value, np.int64)))


def path_from_first(make: Callable[[], Path], error: type[Exception]) -> Path:
    """The path that `make` gives at the first process, at all of them.

    Raises:
      Exception: as `on_first`.
    """
    own = on_first(make, error)
    return Path(os.fsdecode(_text_from_first(os.fsencode(own or ""), _LONGEST_PATH)))


def on_first(task: Callable[[], T], error: type[Exception]) -> T | None:
    """What `task` gives, at the first process; the others wait for it, and get None.

    Raises:
      Exception: what `task` raised, at the first process; at all others `error`, with
        its words.
    """
    if jax.process_count() == 1:
        return task()
    result, raised, words = None, None, ""
    if is_first():
        try:
            result = task()
        except Exception as caught:
            raised, words = caught, f"{caught}" or repr(caught)
    told = _text_from_first(words.encode(), _LONGEST).decode(errors="replace")
    if raised is not None:
        raise raised
    if told and not is_first():
        raise error(f"process 0: {told}")
    return result


def agreed(signal: Callable[[], int]) -> Callable[[], int]:
    """A function that tells of a signal at the same call in all processes.

    A signal that came to one of them comes to all: they ask each other about once a
    second, all at the same call, so all have to call it equally often. How many calls
    make a second they agree on too. With one process it is `signal` itself.
    """
    return signal if jax.process_count() == 1 else _Agreed(signal)


class _Agreed:
    def __init__(self, signal: Callable[[], int]) -> None:
        self._signal, self._came = signal, 0
        self._calls, self._every, self._since = 0, 1, time.monotonic()

    def __call__(self) -> int:
        self._calls += 1
        if not self._came and self._calls >= self._every:
            now = time.monotonic()
            self._ask(now - self._since)
            self._calls, self._since = 0, time.monotonic()
        return self._came

    def _ask(self, seconds: float) -> None:
        """Sees what came to any process, and when they next ask each other."""
        from jax.experimental import multihost_utils

        own = np.array([self._signal(), 1000 * seconds], np.int32)
        came, longest = np.asarray(multihost_utils.process_allgather(own)).max(0)
        self._came = int(came)
        # Not more than twice as many, for the first steps compile.
        wanted = self._every * _SECONDS / max(float(longest) / 1000, 1e-3)
        self._every = max(1, int(min(wanted, 2.0 * self._every)))


def _text_from_first(text: bytes, longest: int) -> bytes:
    """The first process's, of which more than the longest is cut off."""
    if jax.process_count() == 1:
        return text
    padded = np.frombuffer(text[:longest].ljust(longest, b"\0"), np.uint8)
    return bytes(_from_first(padded)).rstrip(b"\0")


def _from_first(array: np.ndarray) -> Any:
    from jax.experimental import multihost_utils

    return multihost_utils.broadcast_one_to_all(array)
