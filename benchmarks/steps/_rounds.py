"""Competitors in processes of their own, which take turns."""

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.steps._frameworks import MEMORY, PRODUCT, Framework
from benchmarks.steps._results import Measured, Result
from benchmarks.steps._workloads import Workload

_WARM_UP = 3  # steps, where no losses are looked at
_TURN = 0.5  # seconds that a turn should last
_REST = 0.05  # until the threads of the one before sleep
INSTALL = "pip install 'funcnn[benchmarks]'"

Say = Callable[[str], None]


class WorkerError(RuntimeError):
    """A worker that can say no more, and why."""


class Worker:
    """The process of one competitor; it is idle unless it is asked."""

    def __init__(self, framework: Framework, workload: Workload) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed in `close`
        # in a session of its own, so that Ctrl-C ends the measuring and not this
        self._process = subprocess.Popen(
            [sys.executable, "-m", _WORKER, framework.place, workload.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
            start_new_session=True,
        )

    def ask(self, command: str = "") -> dict[str, Any]:
        """The answer to a command, or to none, which is the first thing it says."""
        pipes = self._process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            if command:
                print(command, file=pipes.stdin, flush=True)
        line = pipes.stdout.readline()
        if not line:
            raise WorkerError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "missing" in answer:
            raise WorkerError(f"not installed: {INSTALL}")
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f"failed: {lines[-1] if lines else self._process.returncode}"

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


_WORKER = "benchmarks.steps._worker"
_ENVIRONMENT = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}


def measure(
    result: Result, frameworks: Sequence[Framework], rounds: int, say: Say
) -> None:
    """Fills in a result, turn by turn, so that it is of use whenever it ends."""
    with contextlib.ExitStack() as stack:
        turns = list(_started(result, frameworks, stack, say))
        for number in range(rounds):
            say(f"{result.workload.name}: round {number + 1} of {rounds}")
            first = number % max(len(turns), 1)
            for turn in turns[first:] + turns[:first]:
                turn()


def _started(
    result: Result,
    frameworks: Sequence[Framework],
    stack: contextlib.ExitStack,
    say: Say,
) -> Iterator[Callable[[], None]]:
    """Starts, and warms up, all that can be; what has each of them take a turn."""
    result.product, result.memory = Measured(PRODUCT), Measured(MEMORY)
    result.entries.update({f.name: Measured(f) for f in frameworks})
    for entry in (result.product, result.memory, *result.entries.values()):
        say(f"{result.workload.name}: {entry.framework.title} starts")
        worker = Worker(entry.framework, result.workload)
        stack.callback(worker.close)
        try:
            trains = entry.framework.name in result.entries
            checked = result.workload.checked_steps if trains else 0
            steps = _warmed(worker, entry, checked)
        except WorkerError as problem:
            entry.problem = str(problem)
            say(f"{result.workload.name}: {entry.framework.title} {problem}")
        else:
            yield functools.partial(_turn, worker, entry, steps)


def _warmed(worker: Worker, entry: Measured, checked: int) -> int:
    """Compiles and trains a little; how many steps fill a turn."""
    entry.parameters = worker.ask()["parameters"]
    losses = worker.ask(f"losses {checked or _WARM_UP}")["losses"]
    entry.losses = losses if checked else []
    return max(1, round(_TURN / worker.ask("time 2")["seconds"] * 2))


def _turn(worker: Worker, entry: Measured, steps: int) -> None:
    if entry.problem:
        return
    time.sleep(_REST)
    try:
        entry.seconds.append(worker.ask(f"time {steps}")["seconds"] / steps)
    except WorkerError as problem:
        entry.problem = str(problem)
