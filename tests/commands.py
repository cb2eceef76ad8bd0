"""The `funcnn` command, run in a process of its own as a person runs it."""

import re
import subprocess
import sys

from typer.testing import CliRunner

from funcnn.cli._app import app

TINY = ["--epochs", "2", "--batch-size", "8"]
SMALL = [*TINY, "--model", "mlp"]


def run(*arguments, prefix=(), timeout=300, **options):
    command = [*prefix, sys.executable, "-m", "funcnn", *map(str, arguments)]
    options |= {"capture_output": True, "text": True, "timeout": timeout}
    return subprocess.run(command, check=False, **options)


def invoke(*arguments):
    """The command in this process, which needs no start of Python and of JAX."""
    return CliRunner().invoke(app, [str(word) for word in arguments])


def run_folder_of(output):
    """Where a run says that it was saved."""
    return re.search(r"saved in (.+)$", output, re.MULTILINE).group(1)
