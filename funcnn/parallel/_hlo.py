"""Compiled programs as XLA prints them: computations, their calls and loops."""

import dataclasses
import math
import re
from collections.abc import Iterator

_BITS = {"pred": 8, "c64": 64, "c128": 128, "token": 0, "opaque": 0}
_ARRAY = re.compile(r"\b([a-z]+[0-9]*[a-z0-9]*)\[([0-9,]*)\](\{[^}]*\})?")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_NAME = re.compile(r"^\s*(ROOT )?%?([\w.\-]+) = ")
_CALLED = re.compile(
    r"\b(?:calls|to_apply|body|condition|true_computation|false_computation)"
    r"=%?([\w.\-]+)"
)
_SEVERAL = re.compile(r"\b(?:branch_computations|called_computations)=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
      name: of its result.
      type: of its result, as it is printed.
      op: what it does, such as `fusion`.
      operands: the names of what it is of.
      rest: its attributes, as they are printed.
      root: whether its result is the computation's.
      inside: what stands between its parentheses.
    """

    name: str
    type: str
    op: str
    operands: tuple[str, ...]
    rest: str
    root: bool
    inside: str

    @property
    def calls(self) -> tuple[str, ...]:
        """The computations that it runs."""
        found = _CALLED.findall(self.rest)
        for several in _SEVERAL.findall(self.rest):
            found += [name.strip().lstrip("%") for name in several.split(",")]
        return tuple(dict.fromkeys(found))


@dataclasses.dataclass(frozen=True)
class Program:
    """The computations of a program by name, and which of them is the first."""

    computations: dict[str, dict[str, Instruction]]
    entry: str

    def executed(self) -> Iterator[tuple[str, int]]:
        """Each computation that runs by itself, and how often.

        Those inside fusions and reductions are parts of one instruction and are not
        among them. All branches of a conditional count.
        """
        waiting = [(self.entry, 1)]
        while waiting:
            name, times = waiting.pop()
            yield name, times
            for line in self.computations[name].values():
                if line.op == "while":
                    body = _attribute(line.rest, "body")
                    waiting.append((body, times * (self.trips(name, line) or 1)))
                elif line.op in {"call", "conditional"}:
                    waiting += [(called, times) for called in line.calls]

    def trips(self, name: str, loop: Instruction) -> int | None:
        """How often a loop of a computation runs, where that can be told."""
        known = _TRIPS.search(loop.rest)
        if known:
            return int(known[1])
        condition = self.computations.get(_attribute(loop.rest, "condition"), {})
        root = next((line for line in condition.values() if line.root), None)
        if root is None or "direction=LT" not in root.rest:
            return None
        counter, bound = (condition.get(operand) for operand in root.operands)
        end = _constant(bound)
        if counter is None or counter.op != "get-tuple-element" or end is None:
            return None
        start = self._element(
            name, loop.operands[0], int(_attribute(counter.rest, "index"))
        )
        return None if start is None else max(end - start, 0)

    def _element(self, name: str, value: str, index: int) -> int | None:
        """The number that a tuple begins a loop with."""
        lines = self.computations[name]
        made = lines.get(value)
        if made is None or made.op != "tuple" or index >= len(made.operands):
            return None
        element = lines.get(made.operands[index])
        while element is not None and element.op in {"copy", "bitcast"}:
            element = lines.get(element.operands[0])
        return _constant(element)

    def inner(self, line: Instruction) -> Iterator[Instruction]:
        """An instruction and all those that it is made of."""
        yield line
        for called in line.calls:
            for part in self.computations.get(called, {}).values():
                yield from self.inner(part)


def parse_hlo(text: str) -> Program:
    """The program that `as_text()` of a compiled function prints."""
    computations: dict[str, dict[str, Instruction]] = {}
    entry, lines = "", None
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head and " = " not in line.partition("(")[0]:
            lines = computations.setdefault(head[2], {})
            entry = head[2] if head[1] else entry
        elif line.startswith("}"):
            lines = None
        elif lines is not None:
            found = _instruction(line)
            if found:
                lines[found.name] = found
    if not entry:
        raise ValueError("the text has no ENTRY computation")
    return Program(computations, entry)


def type_bytes(text: str) -> int:
    """The bytes of a type as it is printed, those of a tuple's parts together."""
    return sum(array_bytes(text))


def array_bytes(text: str, far: bool = False) -> list[int]:
    """The bytes of each array of a type.

    With `far`, none for those that a TPU has in the memory beside its units.
    """
    return [
        0 if far and "S(1)" in layout else _array_bytes(kind, shape)
        for kind, shape, layout in _ARRAY.findall(text)
    ]


def _array_bytes(kind: str, shape: str) -> int:
    entries = math.prod(int(n) for n in shape.split(",") if n)
    return math.ceil(_bits(kind) * entries / 8)


def _bits(kind: str) -> int:
    if kind in _BITS:
        return _BITS[kind]
    number = re.match(r"[a-z]+(\d+)", kind)  # as s4, bf16 and f8e4m3fn
    return int(number[1]) if number else 0


def _instruction(line: str) -> Instruction | None:
    name = _NAME.match(line)
    if not name:
        return None
    rest = line[name.end() :]
    end = _closing(rest) + 1 if rest.startswith("(") else rest.find(" ")
    kind, rest = rest[:end], rest[end:].lstrip()
    op, _, _ = rest.partition("(")
    inside = rest[len(op) :]
    end = _closing(inside)
    operands = re.findall(r"%([\w.\-]+)", inside[:end])
    return Instruction(
        name[2],
        kind,
        op,
        tuple(operands),
        inside[end + 1 :],
        bool(name[1]),
        inside[1:end],
    )


def _closing(text: str) -> int:
    """Where the parenthesis is closed that the text begins with."""
    depth = 0
    for at, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return at
    return len(text)


def _attribute(rest: str, name: str) -> str:
    found = re.search(rf"\b{name}=%?([\w.\-]+)", rest)
    return found[1] if found else ""


def _constant(line: Instruction | None) -> int | None:
    if line is None or line.op != "constant":
        return None
    return int(line.inside) if re.fullmatch(r"-?\d+", line.inside) else None
