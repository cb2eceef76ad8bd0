"""How long `import funcnn` takes when JAX and Optax are there."""

import os
import pathlib
import subprocess
import sys
from typing import Annotated

import numpy as np
import typer

from benchmarks._written import OUT, write
from funcnn._tables import text_table

_FIRST = "import jax, optax"
_IMPORTS = {
    _FIRST: "",
    "funcnn": "import funcnn",
    "funcnn, and a model": "import funcnn as fn; fn.Chain(fn.Dense(8), fn.relu)",
    "Flax NNX": "from flax import nnx",
    "Haiku": "import haiku",
    "Equinox": "import equinox",
    "Keras": "import keras",
}
_PROGRAM = """
import time
start = time.perf_counter()
import jax, optax
middle = time.perf_counter()
{}
print(middle - start, time.perf_counter() - middle)
"""


def imports(
    rounds: Annotated[int, typer.Option(help="Processes for each.", min=1)] = 11,
    out: Annotated[pathlib.Path, typer.Option(help="Folder of what is written.")] = OUT,
) -> None:
    """Import time over `import jax, optax`, in new processes that take turns.

    Writes imports.json and imports.md.
    """
    seconds: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    try:
        for number in range(rounds):
            print(f"imports: round {number + 1} of {rounds}", file=sys.stderr)
            for name, line in _IMPORTS.items():
                seconds[name] += _timed(name, line)
    except KeyboardInterrupt:
        print("interrupted; what was measured is written", file=sys.stderr)
    text = _table(seconds)
    note = f"Seconds, in processes of their own; all but the first after `{_FIRST}`."
    record: dict[str, object] = {"seconds": seconds}
    write(out, "imports", "Import time", f"{note}\n\n```\n{text}\n```", record)
    print(text)


def _timed(name: str, line: str) -> list[float]:
    """Nothing, where the package is not installed."""
    command = [sys.executable, "-c", _PROGRAM.format(line)]
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        return []
    first, second = map(float, done.stdout.split()[-2:])
    return [first if name == _FIRST else second]


def _table(seconds: dict[str, list[float]]) -> str:
    rows = []
    for name, own in seconds.items():
        if own:
            low, middle, high = np.percentile(own, [25, 50, 75])
            rows.append([name, f"{middle:.3f}", f"{low:.3f} to {high:.3f}"])
        else:
            rows.append([name, "not installed", ""])
    return text_table(["", "seconds", "half of the rounds"], rows)
