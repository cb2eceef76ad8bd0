"""Runs that are ended from outside."""

import pathlib
import random
import signal
import subprocess
import time

from benchmarks.survival._runs import EVERY, STEPS, Workplace, needed, wait_for

Process = subprocess.Popen[str]


def killed(place: Workplace, number: int) -> str:
    """SIGKILL at a random moment: while it starts, learns, or writes a checkpoint."""
    draw, out = random.Random(number), place.new(f"killed-{number}")
    process = place.started(out)
    moment = _MOMENTS[number % len(_MOMENTS)](place, out, process, draw)
    process.kill()
    process.communicate()
    run = place.run(out)
    steps = _newest(run) if run else 0
    place.same(out)
    return f"{moment}: gone on with from step {steps}, bitwise equal"


def _writing(
    place: Workplace, out: pathlib.Path, process: Process, draw: random.Random
) -> str:
    step = draw.randrange(EVERY, STEPS, EVERY)
    wait_for(lambda: _newest_of(out) >= step - EVERY, process, "the checkpoint before")
    wait_for(lambda: _staged(out), process, "a checkpoint is begun")
    time.sleep(draw.uniform(0, 0.02))
    return f"while checkpoint {step // EVERY} was written"


def _learning(
    place: Workplace, out: pathlib.Path, process: Process, draw: random.Random
) -> str:
    step = draw.randrange(STEPS)
    wait_for(lambda: _newest_of(out) >= step - EVERY, process, f"step {step}")
    time.sleep(draw.uniform(0, 0.05))
    return f"about step {step}"


def _starting(
    place: Workplace, out: pathlib.Path, process: Process, draw: random.Random
) -> str:
    after = draw.uniform(0.1, 1.1) * place.starting
    time.sleep(after)
    return f"{after:.2f} s after the start"


_MOMENTS = (_writing, _learning, _starting)


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


def _newest_of(out: pathlib.Path) -> int:
    return max(map(_newest, out.glob("*")), default=0)
