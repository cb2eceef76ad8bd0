"""The command ``python -m benchmarks accelerators``."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Annotated

import typer

from benchmarks._written import OUT, write
from funcnn._tables import text_table
from funcnn.cli._book._accelerators import GPU, SMALL, TPU, Row, ratios

_NOTE = """\
Value and gradient by the rule, and by `jax.grad` of its reference, compiled for one
TPU v5e and one H100, of which none need be there, at 16 times the batch of rules.md:
the compiler's estimate of the time, on TPU; temporaries; and the bytes between chip
and memory, by the compiler on TPU, and counted from its program on GPU; as ratios,
where less than 1 is the rule's. Where either program has a loop, which the compiler
counts as if it ran once, there is no ratio of times; where the rule has branches, its
time is that of the costliest, which may be for rare numbers alone (marked +).
Temporaries below {small:.0%} of the bytes that the automatic gradient moves count as
equal. A rule whose gradient differs from its reference's on purpose is held against
that gradient written without a rule."""
_WORSE = 1.05


def accelerators(
    tpu_python: Annotated[
        pathlib.Path | None,
        typer.Option(help="An interpreter with the extra tpu; without it no TPU."),
    ] = None,
    gpu_python: Annotated[
        pathlib.Path | None,
        typer.Option(help="An interpreter with the extra gpu; without it no GPU."),
    ] = None,
    names: Annotated[
        str, typer.Option(help="How the workloads' names begin; by commas.")
    ] = "",
    out: Annotated[pathlib.Path, typer.Option(help="Folder of what is written.")] = OUT,
) -> None:
    """Every rule beside jax.grad of its reference, compiled for a TPU and a GPU.

    Writes accelerators.json and accelerators.md. What a run does not measure, a target
    or a workload, stays as the file has it; Ctrl-C ends the measuring, and what was
    measured is written.
    """
    found = _earlier(out / "accelerators.json")
    for target, python in ((TPU, tpu_python), (GPU, gpu_python)):
        if python is not None:
            _measure(target, python, names, found.setdefault(target, {}))
    if not any(found.values()):
        print("nothing is measured without --tpu-python or --gpu-python")
        return
    text = _table(found)
    counts = "\n".join(_count(target, rows) for target, rows in found.items() if rows)
    note = _NOTE.format(small=SMALL)
    write(
        out,
        "accelerators",
        "Rules on accelerators",
        f"{note}\n\n{counts}\n\n```\n{text}\n```",
        {"targets": found},
    )
    print(f"{text}\n{counts}")


def _earlier(path: pathlib.Path) -> dict[str, dict[str, Row]]:
    if not path.exists():
        return {}
    found: dict[str, dict[str, Row]] = json.loads(path.read_text())["targets"]
    return found


def _measure(
    target: str, python: pathlib.Path, names: str, rows: dict[str, Row]
) -> None:
    """Puts a target's rows among those that there are."""
    command = [str(python), "-m", "benchmarks.accelerators._worker", target, names]
    # where this is run from, for the interpreter need not have it installed
    path = os.pathsep.join(
        filter(None, [str(pathlib.Path.cwd()), os.environ.get("PYTHONPATH")])
    )
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    ) as worker:
        assert worker.stdout is not None
        try:
            for line in worker.stdout:
                row = json.loads(line)
                rows[row.pop("name")] = row
                print(f"{target}: {list(rows)[-1]}", file=sys.stderr)
        except KeyboardInterrupt:
            worker.terminate()
            print("interrupted; what was measured is written", file=sys.stderr)
            return
    if worker.returncode:
        print(f"{target}: it ended with {worker.returncode}", file=sys.stderr)


def _count(target: str, rows: dict[str, Row]) -> str:
    worse = [name for name, row in rows.items() if ratios(row).worst > _WORSE]
    said = f": {', '.join(worse)}" if worse else ""
    return f"On {target} {len(worse)} of {len(rows)} rules need over 5 % more{said}."


_HEADER = ["", "v5e: us", "jax.grad", "time", "MB", "jax.grad", "temporaries", "bytes"]
_HEADER += ["H100: MB", "jax.grad", "temporaries", "bytes"]


def _table(found: dict[str, dict[str, Row]]) -> str:
    tpu, gpu = found.get(TPU, {}), found.get(GPU, {})
    names = dict.fromkeys([*tpu, *gpu])
    return text_table(
        _HEADER,
        [[n, *_cells(tpu.get(n)), *_cells(gpu.get(n))[3:]] for n in names],
    )


def _cells(row: Row | None) -> list[str]:
    if row is None:
        return [""] * 7
    ratio = ratios(row)
    mark = "+" * any("branches" in note for note in row["rule"]["notes"])
    return [
        *(_number(row[way]["microseconds"]) for way in ("rule", "automatic")),
        _number(ratio.microseconds) + mark,
        *(_number(row[way]["temporaries"], 1e-6) for way in ("rule", "automatic")),
        _number(ratio.temporaries),
        _number(ratio.bytes),
    ]


def _number(value: float | None, unit: float = 1.0) -> str:
    return "" if value is None else f"{value * unit:.2f}"
