"""Runs that are ended from outside."""

import pathlib
import random
import signal
import subprocess
import time

from benchmarks.survival._runs import Workplace, needed, wait_for


def killed(place: Workplace, number: int) -> str:
    """SIGKILL at a random moment; every third time while a checkpoint is written."""
    draw, out = random.Random(number), place.new(f"killed-{number}")
    process = place.started(out)
    if number % 3 == 0:
        at = draw.randint(1, 50)
        for _ in range(at):  # the so-many-th checkpoint
            wait_for(lambda: _staged(out), process, "a checkpoint is begun")
            if _ < at - 1:
                wait_for(lambda: not _staged(out), process, "a checkpoint is there")
        time.sleep(draw.uniform(0, 0.05))
        moment = f"while checkpoint {at} was written"
    else:
        after = draw.uniform(0.3, 1.0) * place.seconds
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            moment = f"after {after:.2f} s"
        else:
            moment = f"after its end ({after:.2f} s)"
    process.kill()
    process.communicate()
    run = place.run(out)
    steps = _newest(run) if run else 0
    place.same(out)
    return f"{moment}: gone on with from step {steps}, bitwise equal"


def terminated(place: Workplace) -> str:
    """SIGTERM, with which schedulers announce that they will kill."""
    return _signalled(place, "terminated", signal.SIGTERM, 143)


def interrupted(place: Workplace) -> str:
    """Ctrl-C."""
    return _signalled(place, "interrupted", signal.SIGINT, 130)


def interrupted_twice(place: Workplace) -> str:
    """Ctrl-C twice: the run ends at once."""
    out = place.new("interrupted-twice")
    process = place.started(out)
    wait_for(lambda: _count(out) >= 2, process, "two checkpoints are there")
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    needed(process.returncode == 130, output)
    needed("Traceback" not in output, output)
    place.same(out)
    return "ends at once with exit code 130; gone on with, bitwise equal"


def _signalled(place: Workplace, name: str, number: signal.Signals, code: int) -> str:
    out = place.new(name)
    process = place.started(out)
    wait_for(lambda: _count(out) >= 2, process, "two checkpoints are there")
    process.send_signal(number)
    output, _ = process.communicate()
    needed(process.returncode == code, output)
    needed("--resume" in output, output)
    needed("Traceback" not in output, output)
    place.same(out)
    return f"a checkpoint of that step, exit code {code}; gone on with, bitwise equal"


def _staged(out: pathlib.Path) -> bool:
    return any(out.glob("*/checkpoints/.saving/*"))


def _count(out: pathlib.Path) -> int:
    return len(list(out.glob("*/checkpoints/[0-9]*")))


def _newest(run: pathlib.Path) -> int:
    numbers = [int(path.name) for path in (run / "checkpoints").glob("[0-9]*")]
    return max(numbers, default=0)
