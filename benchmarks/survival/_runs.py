"""Runs of `funcnn train`, started, killed and gone on with."""

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

EVERY, EPOCHS = 7, 3
STEPS = EPOCHS * 140
OPTIONS = f"--model mlp --epochs {EPOCHS} --checkpoint-every {EVERY}".split()
LONGEST = 300.0  # seconds that any process may take


class SurvivalError(AssertionError):
    """A fault had another outcome than it should."""


def needed(condition: object, message: str) -> None:
    """Raises SurvivalError unless the condition holds."""
    if not condition:
        raise SurvivalError(message)


class Workplace:
    """A folder for runs, and the result of one that nothing happened to."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
        cache = folder / "compiled"  # thirty runs compile the same programs
        self.environment |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        done = self.train(self.new("undisturbed"))
        needed(done.returncode == 0, done.stderr)
        self.whole = self.weights(self.new("undisturbed"))
        self.starting = self._seconds_to_start()

    def _seconds_to_start(self) -> float:
        """From a process's start to its first checkpoint, all being compiled."""
        out, start = self.new("warm"), time.monotonic()
        process = self.started(out)
        wait_for(lambda: any(out.glob("*/checkpoints/[0-9]*")), process, "a checkpoint")
        seconds = time.monotonic() - start
        process.communicate()
        return seconds

    def new(self, name: str) -> pathlib.Path:
        """The parent folder of a run of its own."""
        return self.folder / name

    def command(self, out: pathlib.Path, *options: object) -> list[str]:
        """The command that begins a run in a folder of `out`."""
        words = [sys.executable, "-m", "funcnn", "train", "--out", out, *OPTIONS]
        return [str(word) for word in [*words, *options]]

    def train(
        self, out: pathlib.Path, *options: object
    ) -> subprocess.CompletedProcess[str]:
        """A run from its begin to its end."""
        return self._finished(self.command(out, *options))

    def started(self, out: pathlib.Path, *options: object) -> "subprocess.Popen[str]":
        """A run that goes on meanwhile."""
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        environment = self.environment
        command = self.command(out, *options)
        return subprocess.Popen(command, text=True, env=environment, **pipes)

    def resumed(
        self, out: pathlib.Path, *options: object
    ) -> subprocess.CompletedProcess[str]:
        """The run in `out`, gone on with; anew if it was killed before it was begun."""
        run = self.run(out)
        if run is None:
            return self.train(out, *options)
        words = [sys.executable, "-m", "funcnn", "train", "--resume", run, *options]
        return self._finished([str(word) for word in words])

    def run(self, out: pathlib.Path) -> pathlib.Path | None:
        """The run's folder, if it was begun."""
        found = [path.parent for path in out.glob("*/config.json")]
        needed(len(found) <= 1, f"{out} has {len(found)} runs")
        return found[0] if found else None

    def weights(self, out: pathlib.Path) -> bytes:
        """The bytes of what the run has learned."""
        run = self.run(out)
        needed(run is not None, f"{out} has no run")
        assert run is not None
        return (run / "params.safetensors").read_bytes()

    def same(self, out: pathlib.Path, *options: object) -> str:
        """Goes on with the run, which has to end like the undisturbed one."""
        done = self.resumed(out, *options)
        needed(done.returncode == 0, done.stdout + done.stderr)
        needed(self.weights(out) == self.whole, f"{out}: other parameters at the end")
        return done.stdout + done.stderr

    def _finished(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )


def wait_for(
    happened: Callable[[], object], process: "subprocess.Popen[str]", what: str
) -> None:
    """Waits, looking a thousand times a second, until it happened.

    Raises:
      SurvivalError: when the process ends before, or it takes too long.
    """
    start = time.monotonic()
    while not happened():
        needed(process.poll() is None, f"the run ended before {what}")
        needed(time.monotonic() - start < LONGEST, f"no {what}")
        time.sleep(0.001)
