"""One competitor in a process of its own: commands come in, JSON lines go out.

``python -m benchmarks.steps._worker MODULE:FUNCTION WORKLOAD`` builds the trainer,
says how many parameters it has, and then answers each line of its input with one of
its output, until there are none:

    losses N             the losses of N steps, each waited for
    time N               the seconds that N steps take in a row

Where a package is missing, it says which and ends.
"""

import importlib
import json
import os
import sys
import time
from typing import Any, TextIO

from benchmarks.steps._protocol import Trainer
from benchmarks.steps._workloads import WORKLOADS


def main() -> None:
    """Serves until the input ends."""
    answers = _own_stdout()
    place, workload = sys.argv[1:]
    module, function = place.split(":")
    try:
        build = getattr(importlib.import_module(module), function)
        trainer = build(WORKLOADS[workload])
    except ModuleNotFoundError as error:
        _answer(answers, {"missing": error.name})
        return
    _answer(answers, {"parameters": trainer.parameters})
    for line in sys.stdin:
        command, number = line.split()
        _answer(answers, _COMMANDS[command](trainer, int(number)))


def _own_stdout() -> TextIO:
    """The output for answers alone; what others print there goes with the errors."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=answers, flush=True)


def _losses(trainer: Trainer, number: int) -> dict[str, Any]:
    return {"losses": [trainer.steps(1) for _ in range(number)]}


def _time(trainer: Trainer, number: int) -> dict[str, Any]:
    start = time.perf_counter()
    trainer.steps(number)
    return {"seconds": time.perf_counter() - start}


_COMMANDS: dict[str, Any] = {"losses": _losses, "time": _time}

if __name__ == "__main__":
    main()
