"""What compiling for a target says of a program."""

import dataclasses
import html
import json
from typing import Any, NamedTuple

from funcnn._tables import text_table
from funcnn.parallel._collectives import Collective
from funcnn.parallel._targets import Target


class Memory(NamedTuple):
    """Bytes on each chip.

    Attributes:
      arguments: of what the program is given.
      outputs: of its results.
      aliased: of results that take the place of donated arguments.
      temporaries: beside these, while it runs.
      code: of the program itself.
    """

    arguments: int
    outputs: int
    aliased: int
    temporaries: int
    code: int

    @property
    def total(self) -> int:
        """Arguments, outputs that have a place of their own, and temporaries."""
        return self.arguments + self.outputs - self.aliased + self.temporaries


@dataclasses.dataclass(frozen=True)
class Report:
    """A program compiled for a target that need not be here; prints as a table.

    Numbers are for one step (one call) on one chip. What the compiler does not say is
    None.

    Attributes:
      target: what it was compiled for.
      program: the name of the function.
      memory: on each chip; None where the compiler refuses the program for memory.
      needed: bytes on each chip: those of `memory`, or what the compiler refused.
      available: bytes that each chip has for it; None for a CPU.
      flops: operations.
      flops_of: where that number is from.
      bytes_accessed: between chip and memory.
      bytes_of: where that number is from.
      compiler_seconds: the compiler's estimate of a step, for a single TPU.
      collectives: what the chips tell each other, by kind.
      compile_seconds: what compiling took here.
      notes: what else there is to say.
    """

    target: Target
    program: str
    memory: Memory | None
    needed: int | None
    available: int | None
    flops: float | None
    flops_of: str
    bytes_accessed: float | None
    bytes_of: str
    compiler_seconds: float | None
    collectives: tuple[Collective, ...]
    compile_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool | None:
        """Whether each chip has the memory; None for a CPU, of which nobody knows."""
        if self.available is None:
            return None
        if self.memory is None:
            return False
        return self.memory.total + self.memory.code <= self.available

    @property
    def intensity(self) -> float | None:
        """Operations per byte."""
        if not self.flops or not self.bytes_accessed:
            return None
        return self.flops / self.bytes_accessed

    @property
    def ridge(self) -> float | None:
        """The intensity from which on the chip's arithmetic is the limit."""
        return self.target.chip.ridge if self.target.chip else None

    @property
    def compute_seconds(self) -> float | None:
        """What the operations take at the chip's published peak: an estimate."""
        return self._at(self.flops, "flops")

    @property
    def memory_seconds(self) -> float | None:
        """What the bytes take at the published bandwidth: an estimate."""
        return self._at(self.bytes_accessed, "bandwidth")

    @property
    def collective_seconds(self) -> float | None:
        """What the collectives take at the links' published speed: an estimate."""
        return self._at(sum(row.sent for row in self.collectives), "links")

    @property
    def roofline_seconds(self) -> float | None:
        """The longest of the three, as if they ran beside each other: an estimate."""
        parts = self.compute_seconds, self.memory_seconds, self.collective_seconds
        known = [part for part in parts if part is not None]
        return max(known) if known else None

    def _at(self, amount: float | None, speed: str) -> float | None:
        if amount is None or self.target.chip is None:
            return None
        return float(amount / getattr(self.target.chip, speed))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        chip = self.target.chip
        memory = self.memory and self.memory._asdict() | {"total": self.memory.total}
        derived = (
            "fits intensity ridge compute_seconds memory_seconds collective_seconds "
            "roofline_seconds"
        )
        plain = (
            "program needed available flops flops_of bytes_accessed bytes_of "
            "compiler_seconds compile_seconds notes"
        )
        return {
            "target": self.target.text,
            "devices": self.target.devices,
            "chip": chip and {"name": chip.name, "source": chip.source},
            "memory": memory,
            **{name: getattr(self, name) for name in f"{plain} {derived}".split()},
            "collectives": [dataclasses.asdict(row) for row in self.collectives],
        }

    def to_json(self) -> str:
        """All of it, as JSON."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        """A table of what is known, and the notes."""
        rows = [row for row in self._rows() if row[1]]
        table = text_table(["", "", ""], rows, left=(0, 2)).splitlines()[2:]
        return "\n".join([self._title(), *table, *self.notes])

    def _repr_html_(self) -> str:
        """The table as HTML, for notebooks."""
        cells = (
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>"
            for row in self._rows()
            if row[1]
        )
        ends = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        title = html.escape(self._title())
        return f"<p>{title}</p><table>{''.join(cells)}</table>{ends}"

    def _title(self) -> str:
        count = self.target.devices
        devices = f"{count} device{'s' * (count > 1)}"
        return f"{self.program} for {self.target.text} ({devices}), a step on each:"

    def _rows(self) -> list[tuple[str, str, str]]:
        return [*self._memory_rows(), *self._work_rows(), *self._time_rows()]

    def _memory_rows(self) -> list[tuple[str, str, str]]:
        rows = []
        if self.memory is not None:
            aliased = f"of which {_size(self.memory.aliased)} in the arguments' place"
            rows += [
                ("arguments", _size(self.memory.arguments), ""),
                ("outputs", _size(self.memory.outputs), aliased),
                ("temporaries", _size(self.memory.temporaries), ""),
            ]
        said = ""
        if self.available is not None:
            verdict = "fits" if self.fits else "DOES NOT FIT"
            said = f"of {_size(self.available)}: {verdict}"
        return [*rows, ("memory in all", _size(self.needed), said)]

    def _work_rows(self) -> list[tuple[str, str, str]]:
        intensity = ""
        if self.ridge is not None:
            limit = (self.intensity or 0) < self.ridge
            by = "memory" if limit else "arithmetic"
            intensity = f"the chip's ridge is at {self.ridge:.0f}: limited by {by}"
        rows = [
            ("operations", _scaled(self.flops, "FLOP"), self.flops_of),
            ("bytes accessed", _size(self.bytes_accessed), self.bytes_of),
            ("operations per byte", _plain(self.intensity), intensity),
        ]
        for row in self.collectives:
            said = f"{row.count} time{'s' * (row.count > 1)}"
            rows.append((row.kind, _size(row.bytes), said))
        return rows

    def _time_rows(self) -> list[tuple[str, str, str]]:
        parts = {
            "arithmetic": self.compute_seconds,
            "memory": self.memory_seconds,
            "collectives": self.collective_seconds,
        }
        longest = max(parts, key=lambda name: parts[name] or 0.0)
        at_best = f"estimate, from published peaks; the longest is {longest}"
        return [
            ("compiler's time", _time(self.compiler_seconds), "its estimate"),
            ("at best", _time(self.roofline_seconds), at_best),
            ("compiling took", _time(self.compile_seconds), "here"),
        ]


def _size(count: float | None) -> str:
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def _scaled(count: float | None, unit: str) -> str:
    if count is None:
        return ""
    for prefix in ("", "k", "M", "G"):
        if count < 1000:
            return f"{count:.3g} {prefix}{unit}"
        count /= 1000
    return f"{count:.4g} T{unit}"


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:.3g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit in ("s", "ms", "us"):
        if seconds >= 1 or unit == "us":
            return f"{seconds:.3g} {unit}"
        seconds *= 1000
    return ""
