"""The command ``python -m benchmarks steps``."""

import pathlib
import sys
from typing import Annotated

import typer

from benchmarks._written import OUT
from benchmarks.steps._frameworks import FRAMEWORKS
from benchmarks.steps._report import as_text, write_all
from benchmarks.steps._results import Result, chosen
from benchmarks.steps._rounds import measure
from benchmarks.steps._workloads import WORKLOADS


def steps(
    workloads: Annotated[
        str, typer.Option(help=f"Of {', '.join(WORKLOADS)}; by commas.")
    ] = ",".join(WORKLOADS),
    frameworks: Annotated[
        str, typer.Option(help=f"Of {', '.join(FRAMEWORKS)}; by commas.")
    ] = ",".join(FRAMEWORKS),
    rounds: Annotated[int, typer.Option(help="Turns of each competitor.", min=1)] = 9,
    out: Annotated[pathlib.Path, typer.Option(help="Folder of what is written.")] = OUT,
) -> None:
    """Whole training steps beside PyTorch and other JAX libraries.

    Every competitor trains the same model on the same data in a process of its own;
    they take turns, and the middle of the turns counts. Writes steps.json, steps.md
    and steps.svg. Ctrl-C ends the measuring; what was measured is written.

    The others are installed with pip install 'funcnn[benchmarks]'; one that is not
    is said to be missing, and left out.
    """
    names = _checked("workload", workloads, list(WORKLOADS))
    competitors = chosen(_checked("framework", frameworks, list(FRAMEWORKS)))
    results: list[Result] = []
    try:
        for name in names:
            results.append(Result(WORKLOADS[name]))
            measure(results[-1], competitors, rounds, _say)
            write_all(results, out)  # for who looks meanwhile
    except KeyboardInterrupt:
        _say("interrupted; what was measured is written")
        write_all(results, out)
    print(as_text(results))


def _checked(kind: str, text: str, known: list[str]) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise typer.BadParameter(
                f"no {kind} {name!r}; there are {', '.join(known)}"
            )
    return names


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
