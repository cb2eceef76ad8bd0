"""The results as a table, as JSON, and as bars."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._written import versions, write
from benchmarks.steps._frameworks import OURS, TORCH
from benchmarks.steps._results import Measured, Result
from funcnn._tables import text_table

INTRODUCTION = """\
Milliseconds of a training step: the middle round, and in brackets how many times
funcnn's step it takes (the middle of the rounds' ratios). Each competitor runs in a
process of its own, and they take turns. The floor is the time that the products of a
step take at the speed of a large one. float32, Adam, the same data, and for each
workload the same number of parameters."""

_QUIET = 1.25  # times that the upper quartile of a product may be the lower


def write_all(results: Sequence[Result], folder: pathlib.Path) -> None:
    """Writes `steps.json`, `steps.md` and `steps.svg` into the folder."""
    text = f"{INTRODUCTION}\n\n```\n{as_text(results)}\n```"
    title = "Training steps beside other frameworks"
    write(folder, "steps", title, text, as_record(results))
    _plot(results, folder / "steps.svg")


def as_record(results: Sequence[Result]) -> dict[str, Any]:
    """All that was measured, for `json`."""
    entries = [entry for result in results for entry in result.entries.values()]
    return {
        "frameworks": versions(entry.framework.package for entry in entries),
        "workloads": [_workload_record(result) for result in results],
    }


def _workload_record(result: Result) -> dict[str, Any]:
    return {
        "name": result.workload.name,
        "title": result.workload.title,
        "flops": result.workload.flops,
        "floor_seconds": result.floor,
        "product_flops_per_second": result.product_speed,
        "memory_bytes_per_second": result.memory_speed,
        "of_torch": result.of_torch,
        "best_on_jax": result.best_on_jax,
        "of_best_on_jax": result.of_best_on_jax,
        "doubts": result.doubts(),
        "frameworks": {
            name: _entry_record(result, name, entry)
            for name, entry in result.entries.items()
        },
    }


def _entry_record(result: Result, name: str, entry: Measured) -> dict[str, Any]:
    timed = bool(entry.seconds)
    return {
        "problem": entry.problem,
        "parameters": entry.parameters,
        "median_seconds": entry.median if timed else None,
        "quartiles_seconds": entry.quartiles if timed else None,
        "fastest_seconds": min(entry.seconds) if timed else None,
        "over_funcnn": result.ratio(name),
        "seconds": entry.seconds,
        "losses": entry.losses,
    }


def as_text(results: Sequence[Result]) -> str:
    """Tables of times and of what was checked, and the remarks."""
    parts = [_times(results), "", _checks(results)]
    doubts = [doubt for result in results for doubt in result.doubts()]
    remarks = [*_problems(results), *doubts, *_disturbed(results)]
    return "\n".join([*parts, *([""] if remarks else []), *remarks])


def _titles(results: Sequence[Result]) -> dict[str, str]:
    entries = [item for result in results for item in result.entries.items()]
    return {name: entry.framework.title for name, entry in entries}


def _times(results: Sequence[Result]) -> str:
    titles = _titles(results)
    header = ["ms a step", "floor", *titles.values(), "of PyTorch", "of best JAX"]
    rows = [
        [
            result.workload.name,
            _milliseconds(result.floor),
            *(_cell(result, name) for name in titles),
            _ratio(result.of_torch),
            _ratio(result.of_best_on_jax),
        ]
        for result in results
    ]
    return text_table(header, rows)


def _cell(result: Result, name: str) -> str:
    if name not in result.timed:
        return "-"
    time = _milliseconds(result.entries[name].median)
    ratio = result.ratio(name)
    return time if name == OURS or ratio is None else f"{time} ({ratio:.2f})"


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    time = seconds * 1e3
    return f"{time:,.0f}" if time >= 100 else f"{time:#.3g}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _checks(results: Sequence[Result]) -> str:
    header = [
        "workload",
        "framework",
        "parameters",
        "loss from",
        "to",
        "ms, half of it",
    ]
    rows = [
        [
            result.workload.name,
            entry.framework.title,
            f"{entry.parameters:,}",
            f"{entry.losses[0]:.4f}",
            f"{entry.losses[-1]:.4f}",
            " to ".join(map(_milliseconds, entry.quartiles)),
        ]
        for result in results
        for entry in result.timed.values()
    ]
    ceilings = [_ceiling(result) for result in results if result.product_speed]
    return "\n".join([text_table(header, rows, [0, 1]), "", *ceilings])


def _ceiling(result: Result) -> str:
    product, memory = result.product_speed or 0.0, result.memory_speed or 0.0
    return (
        f"{result.workload.name} ({result.workload.title}): "
        f"{result.workload.flops / 1e9:.3g} GFLOP a step; meanwhile matrix products "
        f"at {product / 1e9:.0f} GFLOP/s, memory at {memory / 1e9:.0f} GB/s"
    )


def _problems(results: Sequence[Result]) -> list[str]:
    return [
        f"{result.workload.name}: {entry.framework.title}: {entry.problem}"
        for result in results
        for entry in result.entries.values()
        if entry.problem
    ]


def _disturbed(results: Sequence[Result]) -> list[str]:
    """Where the same product took quite different times, so that others worked too."""
    remarks = []
    for result in results:
        if result.product is not None and result.product.seconds:
            low, high = result.product.quartiles
            if high > _QUIET * low:
                remarks.append(
                    f"{result.workload.name}: the machine was not quiet; half of the "
                    f"large products took {_milliseconds(low)} to "
                    f"{_milliseconds(high)} ms"
                )
    return remarks


def _plot(results: Sequence[Result], path: pathlib.Path) -> None:
    """Bars of times over PyTorch's, or where there is none funcnn's; log scale."""
    import matplotlib as mpl

    mpl.rcParams["svg.hashsalt"] = "steps"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots()
    titles = _titles(results)
    width = 0.85 / max(len(titles), 1)
    for index, (name, title) in enumerate(titles.items()):
        heights = [_bar(result, name) for result in results]
        places = np.arange(len(results)) + (index - (len(titles) - 1) / 2) * width
        axes.bar(places, heights, width, label=title)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_xticks(range(len(results)), [r.workload.name for r in results])
    axes.set_ylabel("time of a step over PyTorch's")
    axes.legend(ncols=4, fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def _bar(result: Result, name: str) -> float:
    under = TORCH if TORCH in result.timed else OURS
    ratio = result.ratio(name, under)
    return float("nan") if ratio is None else ratio
