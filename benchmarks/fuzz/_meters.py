"""How much memory one call takes at its peak, beyond what was taken before."""

import gc
import tracemalloc
from pathlib import Path
from typing import Protocol, Self


class Meter(Protocol):
    """A context; `peak` is known when it is left."""

    peak: int

    def __enter__(self) -> Self: ...

    def __exit__(self, *fault: object) -> None: ...


# Of a process in which `Resident` is exact: what is freed goes back to the system.
ENVIRONMENT = {
    "PYTHONMALLOC": "malloc",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_TOP_PAD_": "0",
    "FUNCNN_KEEP_MEMORY": "0",
}


class Traced:
    """What Python and NumPy allocate; what Rust and C do on their own is not seen."""

    peak = 0

    def __enter__(self) -> Self:
        tracemalloc.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


class Resident:
    """The process's resident memory, as Linux counts it: all that was touched.

    For a process with `ENVIRONMENT`, where what is freed is counted again when it is
    taken again.
    """

    peak = 0

    def __enter__(self) -> Self:
        gc.disable()  # what one call leaves in cycles is of the next one's floor
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now again
        self._before = _status("VmRSS")
        return self

    def __exit__(self, *fault: object) -> None:
        self.peak = max(0, _status("VmHWM") - self._before)
        gc.enable()


def _status(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0]) << 10
