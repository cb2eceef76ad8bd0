"""What rules need on a TPU and a GPU, as the benchmarks have written it."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]
TPU, GPU = "tpu:v5e:1", "gpu:h100:1"
SMALL = 0.01  # of the bytes that are moved: what is below is not worth a choice
_OPS = {"attention": "dot_product_attention"}  # of workloads that are not named so


class Ratios(NamedTuple):
    """What the rule needs for each unit of the automatic gradient's."""

    microseconds: float | None
    temporaries: float | None
    bytes: float | None

    @property
    def worst(self) -> float:
        """Of time and temporaries."""
        return max(self.microseconds or 0.0, self.temporaries or 0.0)


def ratios(row: Row) -> Ratios:
    """Those of a row of a target."""
    ways = "rule", "automatic"
    small = SMALL * (row["automatic"]["bytes"] or 0)
    looped = any("loop" in note for way in ways for note in row[way]["notes"])
    return Ratios(
        None if looped else _ratio(row, "microseconds"),
        _ratio(row, "temporaries", small),
        _ratio(row, "bytes"),
    )


def _ratio(row: Row, name: str, small: float = 0.0) -> float | None:
    own, other = row["rule"][name], row["automatic"][name]
    if own is None or other is None:
        return None
    if max(own, other) <= small:
        return 1.0
    return own / other if other else math.inf


class Needs(NamedTuple):
    """The worst ratios of the workloads of an op; None where there are none."""

    tpu_time: float | None = None
    tpu_temporaries: float | None = None
    gpu_temporaries: float | None = None


def read(path: Path) -> dict[str, Needs]:
    """Those of each op that a file has; none where there is no file."""
    if not path.exists():
        return {}
    targets = json.loads(path.read_text())["targets"]
    found: dict[str, dict[str, list[Ratios]]] = {}
    for target in (TPU, GPU):
        for name, row in targets.get(target, {}).items():
            first = name.split()[0]
            of_op = found.setdefault(_OPS.get(first, first), {TPU: [], GPU: []})
            of_op[target].append(ratios(row))
    return {
        op: Needs(
            _worst(r.microseconds for r in of[TPU]),
            _worst(r.temporaries for r in of[TPU]),
            _worst(r.temporaries for r in of[GPU]),
        )
        for op, of in found.items()
    }


def _worst(values: Iterable[float | None]) -> float | None:
    return max((x for x in values if x is not None), default=None)
