"""The files `mesh_*.py` here, each in a process that sees the CPU as eight devices.

More devices in all tests would have the checker try each rule on them, hundreds of
times; how many there are is settled when JAX is first used.
"""

import os
import pathlib
import subprocess
import sys

import pytest

FILES = sorted(pathlib.Path(__file__).parent.glob("mesh_*.py"))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def run(file, marks):
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", marks, str(file)]
    command += ["-p", "no:cacheprovider", "--durations=5"]
    environment = {**os.environ, "FUNCNN_TEST_DEVICES": "8"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=file.parents[2]
    )


@pytest.mark.slow  # CI runs them with each commit
@every_file
def test_quick(file):
    done = run(file, "not slow and not exhaustive and not peers")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@every_file
def test_slow(file):
    done = run(file, "slow")
    none_there = 5
    assert done.returncode in (0, none_there), done.stdout + done.stderr
