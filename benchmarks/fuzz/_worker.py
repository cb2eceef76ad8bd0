"""One parser's share, in a process that may end badly: ``_worker NAME INPUTS SEED``.

It prints a line of JSON for all inputs that were survived, and leaves the one that was
not in its folder.
"""

import collections
import json
import resource
import sys
from pathlib import Path
from typing import Any

import hypothesis

from benchmarks.fuzz._meters import Resident
from benchmarks.fuzz._target import SECONDS, Files, NotSurvivedError, Outcome, attempt
from benchmarks.fuzz._targets import TARGETS

_MOST_MEMORY = 8 << 30  # of addresses: what takes more is not to take the machine


def work(name: str, inputs: int, seed: int, folder: Path) -> dict[str, Any]:
    """Has the parser survive so many inputs; the smallest that it does not is left.

    Raises:
      NotSurvivedError: with what came of that.
    """
    target, meter, outcomes = TARGETS[name], Resident(), list[Outcome]()
    for _ in range(3):  # what is imported and kept is of no input
        first = attempt(target, target.valid, folder, meter)
        if first.kind != "result":
            raise NotSurvivedError(f"a valid input came to {first.kind}")

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
    )
    @hypothesis.given(target.inputs)
    def survived(files: Files) -> None:
        _limit_time()
        outcomes.append(attempt(target, files, folder, meter))

    survived()
    return {
        "inputs": len(outcomes),
        "kinds": dict(collections.Counter(outcome.kind for outcome in outcomes)),
        "memory": max(outcome.memory for outcome in outcomes),
        "times": max(outcome.times for outcome in outcomes),
        "seconds": max(outcome.seconds for outcome in outcomes),
    }


def _limit_time() -> None:
    """Ends this process if the next input takes far too long, even outside Python.

    Seconds of CPU: others may have it stopped.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + 3 * SECONDS) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    name, inputs, seed, folder = sys.argv[1:]
    try:
        print(json.dumps(work(name, int(inputs), int(seed), Path(folder))))
    except NotSurvivedError as error:
        sys.exit(f"not survived: {error}")
