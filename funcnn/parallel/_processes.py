"""Several processes that run one program: who does what, and what all agree on."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")
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


def on_first(task: Callable[[], T], error: type[Exception]) -> T | None:
    """What `task` gives, at the first process; the others wait for it, and get None.

    Raises:
      Exception: what `task` raised, at the first process; at all others `error`, with
        its words.
    """
    if jax.process_count() == 1:
        return task()
    result, raised = None, None
    if is_first():
        try:
            result = task()
        except Exception as caught:
            raised = caught
    words = "" if raised is None else f"{raised}" or repr(raised)
    text = np.frombuffer(words.encode()[:_LONGEST].ljust(_LONGEST, b"\0"), np.uint8)
    if raised is None and not is_first():
        words = bytes(_from_first(text)).rstrip(b"\0").decode(errors="replace")
        if words:
            raise error(f"process 0: {words}")
        return None
    _from_first(text)
    if raised is not None:
        raise raised
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


def _from_first(array: np.ndarray) -> Any:
    from jax.experimental import multihost_utils

    return multihost_utils.broadcast_one_to_all(array)
