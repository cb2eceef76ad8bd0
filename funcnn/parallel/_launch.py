"""Joining the processes of a job, which some launcher has started on many hosts."""

from typing import Any

import jax

from funcnn.errors import LaunchError

_HEARTBEAT = 20  # seconds of silence after which a process is given up
_JOINING = 120  # seconds that the others may take to start
_KNOWN = "srun (Slurm), mpirun (Open MPI), Kubernetes (a JobSet or an indexed Job)"


def initialize(**options: Any) -> None:
    """Joins this process with the others of its job: `jax.devices()` are those of all.

    It is `jax.distributed.initialize`, to be called before JAX computes anything, and
    under `srun`, `mpirun`, Kubernetes and on Cloud TPU without arguments: JAX asks the
    launcher how many processes there are, and which is which. When a process dies or
    is silent for 20 seconds, the others end with an error, instead of JAX's 100.

    Args:
      **options: of `jax.distributed.initialize`, such as `coordinator_address`
        ("host:port" of process 0), `num_processes` and `process_id`, for a launcher
        that JAX does not know.

    Raises:
      LaunchError: when there is no launcher and the options do not say either, or JAX
        was used before. Where the processes do not find each other within two minutes
        JAX ends them itself.
    """
    waiting = {
        "heartbeat_timeout_seconds": _HEARTBEAT,
        "initialization_timeout": _JOINING,
    }
    try:
        jax.distributed.initialize(**{**waiting, **options})
    except ValueError as error:
        raise LaunchError(
            f"no launcher started this process that JAX knows ({error}); it knows "
            f"{_KNOWN} and Cloud TPU"
        ) from error
    except RuntimeError as error:
        raise LaunchError(f"the processes could not be joined: {error}") from error


def is_about_others(error: BaseException) -> bool:
    """Whether an error says that another process of the job is gone."""
    several = jax.process_count() > 1
    return several and any(word in str(error) for word in _OF_COLLECTIVES)


# What the libraries say that carry collectives: on CPU, on NVIDIA's, and JAX's own.
_OF_COLLECTIVES = "Gloo", "NCCL", "coordination service", "CoordinationService"
