"""Standard error without what libraries write to it, past Python."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that is written to standard error meanwhile is seen; errors are raised.

    Compilers for TPUs and GPUs tell there that they found no TPU or GPU.
    """
    with contextlib.ExitStack() as stack:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (OSError, ValueError, AttributeError):  # it is closed, or there is none
            yield
            return
        stack.callback(os.close, kept)
        nothing = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nothing)
        os.dup2(nothing, 2)
        stack.callback(os.dup2, kept, 2)
        yield
