"""The findings as a table, as Markdown, and as JSON."""

import math
import platform
import sys
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import jax
import mpmath
import optax

from funcnn._tables import text_table

from .causes import CAUSES
from .classes import (
    DEFECTS,
    INFINITE,
    LOST_TAIL,
    NAN,
    RAISES,
    WRONG_DIGITS,
    ZERO,
)
from .points import FLOAT32
from .reproduce import confirmed, literal, run, source, truth
from .rules import origin, rules_of
from .sweep import Finding, Outcome

EVERYDAY = 12.5  # decades around one
HEADER = ["function", "input", "what comes out", "what is true", "class", "from", "n"]


@dataclass
class Defect:
    """One function and class, with its most everyday input."""

    function: str
    input: str
    got: str
    true: str
    kind: str
    origin: str
    count: int  # wrong slopes of this class
    everyday: bool  # or only at inputs that are hardly ever seen
    reproduction: str
    versions: list[str] = field(default_factory=list)  # JAX it was seen with

    @property
    def cause(self) -> str:
        """Half a sentence, where the source was read."""
        return CAUSES.get(self.function, "")

    def row(self) -> list[str]:
        """A line of the table."""
        return [
            self.function,
            self.input,
            self.got,
            self.true,
            self.kind,
            self.origin,
            str(self.count),
        ]


def defect(finding: Finding, count: int) -> Defect:
    """A finding as text."""
    case = finding.case
    place = "" if finding.index is None else f", entry {finding.index}"
    return Defect(
        function=case.function,
        input=f"{case.code} at {literal(finding.point)}{place}",
        got=finding.error.split(":")[0] or f"{finding.got:.9g}",
        true=truth(finding),
        kind=finding.kind,
        origin="rule" if finding.kind == RAISES else origin(finding),
        count=count,
        everyday=finding.remoteness < EVERYDAY,
        reproduction=source(finding),
        versions=[jax.__version__],
    )


def representatives(outcomes: list[Outcome]) -> list[Defect]:
    """One defect for each function and class, confirmed without jit."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for outcome in outcomes:
        for finding in outcome.findings:
            if finding.kind in DEFECTS:
                key = finding.case.function, finding.kind
                groups.setdefault(key, []).append(finding)
    defects = []
    for findings in groups.values():
        for finding in sorted(findings, key=order)[:20]:
            if confirmed(finding):
                defects.append(defect(finding, len(findings)))
                break
    return defects


def merged(defects: list[Defect], other: list[dict]) -> list[Defect]:
    """With the defects of another run, where this one has none of that kind."""
    own = {(d.function, d.kind) for d in defects}
    names = [f.name for f in fields(Defect)]
    found = [Defect(**{name: row[name] for name in names}) for row in other]
    found = [d for d in found if (d.function, d.kind) not in own]
    return sorted([*defects, *found], key=lambda d: (d.function, d.kind))


def order(finding: Finding) -> tuple[bool, bool, float, float]:
    """Everyday inputs first, of those the worst; a percent is not enough."""
    underflown = 0 < abs(finding.true.low) < FLOAT32.tiny
    mild = finding.kind == WRONG_DIGITS and relative(finding) < 0.1
    far = finding.remoteness > 4
    distance = finding.remoteness if far or finding.kind != WRONG_DIGITS else 0.0
    return underflown, mild, distance, -relative(finding)


def relative(finding: Finding) -> float:
    """The error over the truth."""
    size = max(abs(finding.true.low), abs(finding.true.high))
    return float(min(abs(finding.got - finding.true.low) / size, 1e300)) if size else 1


def verified(defects: list[Defect], python: str = sys.executable) -> str:
    """Marks the defects that an interpreter's JAX has; the version of that."""
    version, outcomes = run([d.reproduction for d in defects], python)
    for found, outcome in zip(defects, outcomes):
        if version not in found.versions and wrong(outcome, found.true, found.kind):
            found.versions.append(version)
    return version


def wrong(outcome: str, true: str, kind: str) -> bool:
    """Whether what was printed, or raised, is an error of the stated class."""
    if kind == RAISES:
        return outcome.endswith("Error")
    try:
        got = float(outcome)
    except ValueError:
        return False
    if kind in (NAN, INFINITE) or not math.isfinite(got):
        return kind == (NAN if math.isnan(got) else INFINITE if math.isinf(got) else "")
    ends = [float(end) for end in true.removeprefix("between ").split(" and ")]
    outside = max(ends[0] - got, got - ends[-1])
    return outside > 1e-3 * max(map(abs, ends)) and (kind != ZERO or got == 0)


def text(defects: list[Defect], outcomes: list[Outcome], missing: list) -> str:
    """Everything, for a terminal."""
    rows = [clipped(d.row()) for d in defects]
    table = text_table(HEADER, rows, left=(0, 1, 3, 4, 5)) if rows else "no defects"
    return "\n".join([table, "", *summary(defects, outcomes, missing)])


def clipped(row: list[str], width: int = 70) -> list[str]:
    """A row whose cells fit."""
    return [cell if len(cell) <= width else cell[: width - 1] + "…" for cell in row]


def summary(defects: list[Defect], outcomes: list[Outcome], missing: list) -> list[str]:
    """What was compared, what could not be, and what was not covered."""
    functions = {o.case.function for o in outcomes}
    ruled = {o.case.function for o in outcomes if rules_of(o.case)}
    tails = {
        f.case.function for o in outcomes for f in o.findings if f.kind == LOST_TAIL
    }
    masked = {o.case.function for o in outcomes if o.masked}
    failed = [f"{o.case.source}: {o.error}" for o in outcomes if o.error]
    lines = [
        f"{sum(o.compared for o in outcomes):,} slopes of {len(functions)} functions "
        f"in {len(outcomes)} cases, {len(ruled)} functions with a hand-written rule; "
        f"{sum(o.unknown for o in outcomes):,} points have no finite slope.",
        f"{len(defects)} defects (one per function and class), "
        f"{sum(d.everyday for d in defects)} of them at everyday inputs.",
        f"Lost tails (error below 8 epsilon, not counted): {listed(tails)}.",
        f"NaN for a zero cotangent though the function is finite, where the slope is "
        f"right or overflows (not counted): {listed(masked)}.",
        f"Rules in: {listed(ruled)}.",
    ]
    lines += [f"Could not be differentiated: {line}" for line in failed]
    with_rule = [
        f"{name} ({', '.join(r)})" for name, r in missing if r and r != ["not traced"]
    ]
    plain = [name for name, r in missing if not r]
    untraced = [name for name, r in missing if r == ["not traced"]]
    lines += [
        f"Not covered, a rule seen: {listed(with_rule)}.",
        f"Not covered, traced and no rule seen: {listed(plain)}.",
        f"Not covered, not traced: {listed(untraced)}.",
    ]
    return lines


def listed(names: Any) -> str:
    """Names in a row."""
    return ", ".join(sorted(names)) or "none"


def markdown(
    defects: list[Defect], outcomes: list[Outcome], missing: list, versions: list[str]
) -> str:
    """The table and the reproductions."""
    near = [d for d in defects if d.everyday]
    far = [d for d in defects if not d.everyday]
    lines = [
        "# Gradients of released code against the truth",
        "",
        f"jax {' and '.join(versions)}, optax {optax.__version__}, float32, "
        f"{jax.default_backend()}, {platform.system()} {platform.machine()}; truth by "
        f"mpmath {mpmath.__version__}. Written by "
        "`python -m benchmarks.third_party_audit`.",
        "",
        *(f"{line}\n" for line in summary(defects, outcomes, missing)[:2]),
        "From `rule`: a `custom_jvp` or `custom_vjp` is wrong, and the derivative of "
        "what it stands for is not. `rule, automatic too`: there is such a rule in the "
        "function, and without it the gradient is wrong as well. `has a rule, not "
        "separated`: the program without it has no gradient. `automatic`: there is "
        "none; the derivative of the code, or of a primitive, is wrong. n counts the "
        "wrong slopes.",
        "",
        "## Defects at everyday inputs",
        "",
        *markdown_table(near),
        "",
        "## Reproductions",
        "",
        "<!-- fmt: off -->",  # three lines each, however long
        "",
    ]
    for found in near:
        lines += section(found)
    lines += [
        "<!-- fmt: on -->",
        "",
        "## At the ends of the range",
        "",
        f"Only at inputs beyond 10^±{EVERYDAY:.0f}.",
        "",
        *markdown_table(far),
        "",
    ]
    lines += ["## What was not held", ""]
    lines += [f"- {line}" for line in summary(defects, outcomes, missing)[2:]]
    return "\n".join(lines) + "\n"


def markdown_table(defects: list[Defect]) -> list[str]:
    """The rows as Markdown."""
    rows = [HEADER, ["---"] * len(HEADER), *(d.row() for d in defects)]
    return [f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows]


def section(found: Defect) -> list[str]:
    """One defect with its three lines."""
    cause = f" {found.cause}" if found.cause else ""
    return [
        f"### {found.function}: {found.kind}",
        "",
        f"Gives {found.got}. From: {found.origin}. "
        f"Seen with jax {' and '.join(found.versions)}.{cause}",
        "",
        "```python",
        found.reproduction,
        "```",
        "",
    ]


def as_json(defects: list[Defect], missing: list) -> dict:
    """For programs, and for `--merge`."""
    return {
        "jax": jax.__version__,
        "optax": optax.__version__,
        "defects": [asdict(d) | {"cause": d.cause} for d in defects],
        "not_covered": [{"function": name, "rules": r} for name, r in missing],
    }
