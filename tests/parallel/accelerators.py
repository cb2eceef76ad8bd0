"""The target that this environment can compile for: a TPU or a GPU."""

import importlib.util

from funcnn.parallel import MissingCompilerError, target_devices

ONE, SEVERAL = {
    True: ("tpu:v5e:1", "tpu:v5e:2x2"),
    False: ("gpu:h100:1", "gpu:h100:4"),
}[importlib.util.find_spec("libtpu") is not None]


def installed():
    """Whether there is the compiler for it."""
    try:
        return bool(target_devices(ONE))
    except MissingCompilerError:
        return False
