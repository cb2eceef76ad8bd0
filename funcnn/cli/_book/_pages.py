"""The page: a table for each family of ops, and how each gradient is derived."""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from funcnn import ops
from funcnn.cli._book._accelerators import Needs
from funcnn.cli._book._docstrings import in_one_line, sections
from funcnn.cli._book._entries import Entry
from funcnn.cli._book._sources import line_of
from funcnn.ops._rules import rules_of_ops

_HEAD = """# The rule book

Every rule of `funcnn.ops`, as `funcnn check --book` measured it. No line is written by
hand, and a test fails when the code of a rule is no longer the code that was measured.

- **float64**: the largest difference of the hand-written gradient and the automatic
  one, relative to its largest entry.
- **float32**, **bfloat16**: the largest error of the gradient over all cases of the
  rule, in units in the last place of its largest entry, against the truth in float64 at
  the same inputs: ours | that of automatic differentiation.
- **bytes**: kept for the backward pass, inputs counted, in float32, in the case where
  automatic differentiation keeps most: ours | automatic.
- **faults**: of those that were put into the rule, how many the checker found.
- **v5e**, **H100**: by their compilers, the time on a TPU v5e, and temporaries on it
  and on an H100, for each unit of automatic differentiation's; the worst of the op's
  workloads, of accelerators.md, where there are details.
- A rule that declares a gradient of its own is held against that of the declared
  function, and marked †.

"""
_COLUMNS = (
    "op",
    "what it is",
    "saved",
    "kinks",
    "float64",
    "float32",
    "bfloat16",
    "bytes",
    "faults",
    "v5e time",
    "v5e temporaries",
    "H100 temporaries",
)


def page(entries: dict[str, Entry], needs: Mapping[str, Needs]) -> str:
    """The book as Markdown, its links as from a folder beside the package's.

    Args:
      entries: by the names of rules.
      needs: on accelerators, by the names of ops; of some, or none.
    """
    parts = [_HEAD, _measured_with(entries)]
    by_op = {
        op: {name: rule for name, rule in rules.items() if name in entries}
        for op, rules in rules_of_ops(ops).items()
    }
    families: dict[str, list[str]] = {}
    for op in (op for op, known in by_op.items() if known):
        family = getattr(ops, op).__module__.split(".")[2].strip("_")
        families.setdefault(family, []).append(op)
    for family in sorted(families):
        members = sorted(families[family])
        parts.append(
            f"## {family.replace('_', ' ').capitalize()}\n\n{_about(family)}\n\n"
        )
        parts.append(_table(members, by_op, entries, needs))
        parts += [_derivation(op) for op in members]
    return "".join(parts)


def _about(family: str) -> str:
    module = getattr(ops, f"_{family}")
    return inspect.cleandoc(module.__doc__ or "")


def _measured_with(entries: dict[str, Entry]) -> str:
    versions = sorted({entry.versions for entry in entries.values()})
    total = [sum(e.measures.faults[i] for e in entries.values()) for i in (0, 1)]
    share = total[0] / total[1] if total[1] else 1.0
    return (
        f"{len(entries)} rules; {total[0]} of {total[1]} faults found ({share:.1%}). "
        f"Measured with {'; '.join(versions)}.\n\n"
    )


def _table(
    members: list[str],
    by_op: dict[str, dict[str, Any]],
    entries: dict[str, Entry],
    needs: Mapping[str, Needs],
) -> str:
    lines = [_row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
    for op in members:
        ratios = [_ratio(x) for x in needs.get(op, Needs())]
        for name, rule in by_op[op].items():
            words = _words(getattr(ops, op), name, rule)
            lines.append(_row([*words, *_numbers(entries[name]), *ratios]))
    return "\n".join(lines) + "\n\n"


def _words(op: Callable[..., Any], name: str, rule: Any) -> tuple[str, ...]:
    file, line = line_of(op)
    mark = "" if rule.surrogate is None else " †"
    said = sections(op)
    texts = [in_one_line(said.get(part, "")) for part in ("Formula", "Saved", "Kinks")]
    formula, saved, kinks = (_escaped(text) for text in texts)
    return f"[`{name}`](../{file}#L{line}){mark}", formula, saved, kinks or "none"


def _numbers(entry: Entry) -> tuple[str, ...]:
    measures = entry.measures
    found, faults = measures.faults
    return (
        f"{measures.float64:.0e}" if measures.float64 else "0",
        _ulps(measures.float32),
        _ulps(measures.bfloat16),
        _pair(*map(str, measures.saved)),
        f"{found}/{faults}",
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ulps(pair: tuple[float, float]) -> str:
    return _pair(*(f"{x:.1f}" if math.isfinite(x) else "no number" for x in pair))


def _pair(ours: str, automatic: str) -> str:
    return f"{ours} \\| {automatic}"


def _derivation(op: str) -> str:
    text = sections(getattr(ops, op)).get("Gradient", "")
    return f"### `{op}`\n\n```text\n{text}\n```\n\n" if text else ""


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Text as it stands, for a cell of a table; code remains code."""
    parts = text.split("`")
    plain = [re.sub(r"([\\*_\[\]<>|])", r"\\\1", part) for part in parts[::2]]
    code = [part.replace("|", "\\|") for part in parts[1::2]]
    mixed = [plain[0]]
    for inside, after in zip(code, plain[1:]):
        mixed += [f"`{inside}`", after]
    return "".join(mixed)
