"""Freed memory that stays with the process, for the next step."""

import ctypes
import functools
import importlib.util
import os
import sys

# Parameters of glibc's mallopt, from its malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8
_LARGEST = 2**30  # bytes of a block that is kept
_HEAP = 2**26  # bytes of a heap of glibc's, beside the first
_SETTINGS = "MALLOC_", "GLIBC_TUNABLES"  # of which one's owner has decided already
_ACCELERATORS = "jax_plugins", "libtpu"  # packages by which JAX finds them


@functools.cache
def keep_freed_memory() -> bool:
    """Has the C library keep freed memory, and says whether it does.

    At each call of a program XLA allocates its arrays anew on CPU, and glibc returns
    what is large to the system when it is freed. So in each step the system has to
    give every page again, and clear it, which can take as long as the step's work.
    From this call on blocks of up to 1 GiB stay with the process, in one heap for all
    threads. The price is memory: what is freed no other process can use, and the peak
    is higher, for what is free is cut up.

    Threads that have a heap keep it, so the call has most effect before JAX computes
    anything. `import funcnn` makes it where JAX has no accelerator to run on, and
    `make_step` when a step is traced for a CPU. Nothing is done, and False is
    returned, without glibc, where the environment sets glibc's own options
    (``MALLOC_...``, ``GLIBC_TUNABLES``), and with ``FUNCNN_KEEP_MEMORY=0``.

    Source: malloc(3) and mallopt(3) of the Linux manual.
    """
    if os.environ.get("FUNCNN_KEEP_MEMORY") == "0" or not _has_glibc():
        return False
    if any(name.startswith(_SETTINGS) for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # older ones refuse so large a threshold: there no block is returned at all
    kept = mallopt(_MMAP_THRESHOLD, _LARGEST) or mallopt(_MMAP_MAX, 0)
    rest = (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, _HEAP), (_ARENA_MAX, 1)
    return bool(kept) and all(mallopt(*option) for option in rest)


def keep_freed_memory_on_cpu() -> None:
    """`keep_freed_memory` where JAX has no accelerator to run on."""
    if not any(map(importlib.util.find_spec, _ACCELERATORS)):
        keep_freed_memory()


def _has_glibc() -> bool:
    if sys.platform != "linux":
        return False
    return bool(os.confstr("CS_GNU_LIBC_VERSION"))
