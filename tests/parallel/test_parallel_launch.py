"""Joining processes, where there is nothing to join."""

import subprocess
import sys

from commands import run

PROGRAM = """
import funcnn as fn
try:
    fn.parallel.initialize({options})
except fn.errors.LaunchError as error:
    print(error)
"""


def said(options, before=""):
    program = before + PROGRAM.format(options=options)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    ).stdout


def test_without_a_launcher_it_says_which_are_known():
    text = said("")
    assert "srun (Slurm), mpirun (Open MPI), Kubernetes" in text
    assert text.startswith("no launcher")


def test_after_jax_was_used_it_is_too_late():
    options = "coordinator_address='127.0.0.1:1', num_processes=1, process_id=0"
    program = "import jax.numpy as jnp\njnp.ones(1) + 1\n"
    text = said(options, program)
    assert text.startswith("the processes could not be joined: jax.distributed.init")


def test_the_command_says_so_in_a_line(tmp_path):
    done = run("train", "--distributed", "--out", tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("funcnn: no launcher started this process")
    assert not list(tmp_path.iterdir())
