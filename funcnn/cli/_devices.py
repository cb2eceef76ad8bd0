"""More than one device, on a machine with a CPU alone."""

import contextlib
import os
from typing import Any

import jax


def ask_for_cpu_devices(count: int = 4) -> None:
    """Lets JAX see the CPU as several devices, unless the user decided otherwise.

    The checker puts rules under `shard_map`, which one device would not try. Has to
    come before JAX is used for the first time; later it changes nothing.
    """
    config: Any = jax.config  # whose options are not in its type
    decided = (
        config.jax_num_cpu_devices > 0
        or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
        or not (config.jax_platforms or "cpu").startswith("cpu")
    )
    if not decided:
        with contextlib.suppress(RuntimeError):  # JAX is in use already
            config.update("jax_num_cpu_devices", count)
