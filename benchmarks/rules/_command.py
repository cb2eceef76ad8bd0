"""The command ``python -m benchmarks rules``."""

import pathlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from benchmarks._written import OUT, write
from funcnn._tables import text_table

if TYPE_CHECKING:
    from benchmarks.rules._measure import Comparison

_NOTE = """\
Value and gradient by the rule, and by `jax.grad` of its reference, in turns: the middle
of the turns' ratios of times, and half of them in brackets; XLA's temporaries, and the
bytes that are kept for the backward pass, as ratios too; seconds to compile likewise.
Temporaries below 10 kB count as equal."""
_HEADER = ["", "ms", "jax.grad", "time", "half", "MB", "jax.grad", "temporaries"]
_HEADER += ["saved", "compiling"]


def rules(
    names: Annotated[
        str, typer.Option(help="How the workloads' names begin; by commas.")
    ] = "",
    seconds: Annotated[float, typer.Option(help="For each workload.", min=0)] = 1.0,
    out: Annotated[pathlib.Path, typer.Option(help="Folder of what is written.")] = OUT,
) -> None:
    """Every rule beside jax.grad of its reference: time, memory, compile time.

    Writes rules.json and rules.md. Ctrl-C ends the measuring; what was measured is
    written.
    """
    from benchmarks.rules._measure import compare
    from benchmarks.rules._workloads import workloads

    given = [name.strip() for name in names.split(",")] if names else None
    found: list[Comparison] = []
    try:
        for workload in workloads(given):
            print(f"rules: {workload.name}", file=sys.stderr)
            found.append(compare(workload, seconds))
    except KeyboardInterrupt:
        print("interrupted; what was measured is written", file=sys.stderr)
    if not found:
        raise typer.BadParameter(f"no workload was measured of {names!r}")
    text = _table(found)
    record: dict[str, Any] = {"rows": [_row(one) for one in found]}
    write(out, "rules", "Rules", f"{_NOTE}\n\n```\n{text}\n```", record)
    print(text)


def _row(one: "Comparison") -> dict[str, Any]:
    row = one._asdict()
    return row | {way: row[way]._asdict() for way in ("rule", "automatic")}


def _table(found: "list[Comparison]") -> str:
    rows = [_cells(one) for one in found]
    means = [_mean([one.ratio for one in found])]
    means.append(_mean([max(one.temporaries, 1e-3) for one in found]))
    last = ["geometric mean", "", "", f"{means[0]:.2f}", "", "", "", f"{means[1]:.2f}"]
    return text_table(_HEADER, [*rows, [*last, "", ""]])


def _mean(ratios: list[float]) -> float:
    return float(np.exp(np.log(ratios).mean()))


def _cells(one: "Comparison") -> list[str]:
    ours, theirs = one.rule, one.automatic
    return [
        one.name,
        f"{ours.milliseconds:.3g}",
        f"{theirs.milliseconds:.3g}",
        f"{one.ratio:.2f}",
        f"{one.spread[0]:.2f} to {one.spread[1]:.2f}",
        f"{ours.temporaries / 1e6:.2f}",
        f"{theirs.temporaries / 1e6:.2f}",
        f"{one.temporaries:.2f}",
        f"{ours.saved / max(theirs.saved, 1):.2f}",
        f"{ours.compiling / theirs.compiling:.2f}",
    ]
