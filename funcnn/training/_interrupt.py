"""Ctrl-C and SIGTERM between steps, never inside one."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], int]]:
    """Gives a function that tells the signal that came since, or 0.

    A KeyboardInterrupt in the middle of a step would lose the train state: the old
    one is donated and the new one is not there yet. So the first Ctrl-C, or SIGTERM,
    with which schedulers announce that they will kill, is only noted; the second one
    raises, for whoever cannot wait. Outside the main thread Python delivers no
    signals, and nothing is changed.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt

    def which() -> int:
        return came[0] if came else 0

    if threading.current_thread() is not threading.main_thread():
        yield which
        return
    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield which
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
