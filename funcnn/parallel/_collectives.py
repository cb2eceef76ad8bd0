"""What the devices of a program tell each other, read from the compiled program."""

import dataclasses
import math
import re

from funcnn.parallel._hlo import Instruction, Program, array_bytes, type_bytes

KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
    "ragged-all-to-all",
)
_CHANNEL = re.compile(r"\bchannel_id=(\d+)")
_LISTED = re.compile(r"replica_groups=\{\{([\d,]*)\}")
_COUNTED = re.compile(r"replica_groups=\[\d+,(\d+)\]")
_OF_MESH = re.compile(r"replica_groups=mesh\[([^\]]*)\] *\{([^}]*)\}")


@dataclasses.dataclass(frozen=True)
class Collective:
    """All collectives of one kind in a step.

    Attributes:
      kind: as XLA calls it.
      count: how many there are, those in loops as often as they run.
      bytes: what each device holds of the whole, before or after, whichever is more.
      sent: what each device sends if they stand in a ring.
    """

    kind: str
    count: int
    bytes: int
    sent: float


def collectives(program: Program, devices: int) -> tuple[Collective, ...]:
    """Those of a step, by kind, the largest first."""
    counted: dict[str, list[float]] = {}
    for name, times in program.executed():
        for kind, size, group in _of_computation(program, name, devices):
            row = counted.setdefault(kind, [0, 0, 0.0])
            row[0] += times
            row[1] += times * size
            row[2] += times * size * _share_sent(kind, group)
    rows = [Collective(k, int(n), int(b), s) for k, (n, b, s) in counted.items()]
    return tuple(sorted(rows, key=lambda row: -row.bytes))


def _of_computation(
    program: Program, name: str, devices: int
) -> list[tuple[str, int, int]]:
    """Kind, bytes and size of the group of each collective.

    On TPU one that runs beside other work stands in several fusions, with one channel.
    """
    found, channels = [], set()
    for outer in program.computations[name].values():
        if outer.op in {"while", "call", "conditional"}:
            continue  # these are computations of their own
        for line in program.inner(outer):
            kind = line.op.removesuffix("-start")
            if kind not in KINDS:
                continue
            channel = _CHANNEL.search(line.rest)
            if channel and channel[1] in channels:
                continue
            if channel:
                channels.add(channel[1])
            found.append((kind, _payload(program, line), _group(line.rest, devices)))
    return found


def _payload(program: Program, line: Instruction) -> int:
    """Bytes before or after, whichever is more."""
    sizes = array_bytes(line.type)
    if not line.op.endswith("-start"):
        operands = sum(_operand_bytes(program, line))
        return max(sum(sizes), operands)
    if line.op == "all-reduce-start":  # gives its results only
        return sum(sizes)
    large = [size for size in sizes if size > 8]  # beside them there may be contexts
    return max(
        sum(_operand_bytes(program, line)), sum(large) // 2, max(sizes, default=0)
    )


def _operand_bytes(program: Program, line: Instruction) -> list[int]:
    typed = array_bytes(line.inside)
    if typed:
        return typed
    for lines in program.computations.values():
        if lines.get(line.name) is line:
            found = (lines.get(operand) for operand in line.operands)
            return [type_bytes(one.type) for one in found if one]
    return []


def _group(rest: str, devices: int) -> int:
    """How many devices take part in each group."""
    listed, counted = _LISTED.search(rest), _COUNTED.search(rest)
    if counted:
        return int(counted[1])
    if listed:
        return len([n for n in listed[1].split(",") if n]) or devices
    mesh = _OF_MESH.search(rest)
    if mesh:
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", mesh[1]))
        axes = re.findall(r"'([^']+)'", mesh[2])
        return math.prod(int(sizes.get(axis, 1)) for axis in axes)
    return devices


def _share_sent(kind: str, group: int) -> float:
    """Of the bytes, what each device sends in a ring of so many."""
    if kind in {"collective-permute", "collective-broadcast"}:
        return 1.0
    share = (group - 1) / max(group, 1)
    return 2 * share if kind == "all-reduce" else share
