"""Every rule of a program, examined where it stands."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from funcnn.gradients._report import Report
from funcnn.gradients._verdicts import (
    AUTO_WRONG,
    BOTH_WRONG,
    KINK,
    KINK_OUTSIDE,
    RULE_WRONG,
    SURROGATE,
    fails,
)
from funcnn.gradients.checker._arguments import OfArrays, of_arrays
from funcnn.gradients.checker._consumed import consumed_occurrences
from funcnn.gradients.checker._examine import (
    LARGE,
    Depth,
    Examination,
    examine,
    shape_findings,
)
from funcnn.gradients.checker._marks import Declared
from funcnn.gradients.checker._occurrence import Found, Occurrence, occurrences
from funcnn.gradients.checker._reduced import entries, reduced
from funcnn.gradients.checker._rows import AuditRow, raised_row, row_of, shrunk
from funcnn.gradients.checker._shapes import captured_sizes, reshaped
from funcnn.gradients.checker._whole import whole_findings

_SECONDS = 12.0  # after which rules are looked at as with `fast`
_SHAPES_SECONDS = 5.0
_SHAPES_ENTRIES, _WHOLE_ENTRIES = 20_000, 100_000  # of the arguments
_MOST_SHRUNK = 3  # rules that are wrong: one of them is where a person begins
_COLUMNS = ("rule", "at", "path", "verdict", "argument", "error", "points", "says")
_MEANING = {
    KINK: "at a kink, and between the one-sided slopes there",
    AUTO_WRONG: "the rule has the slope of the function where autodiff has not",
    SURROGATE: "differs from the function's derivative as it is declared to",
    RULE_WRONG: "not the derivative, or not the value, of the function",
    BOTH_WRONG: "neither the rule nor autodiff has the slope of the function",
    KINK_OUTSIDE: "at a kink, and not between the one-sided slopes there",
}
_ERROR = "error: largest difference from autodiff, relative to its largest entry"
_LEFT = ("at", "path", "verdict", "argument", "says")


def audit(
    f: Callable[..., Any],
    *args: Any,
    reference: Mapping[Any, Callable[..., Any]] | None = None,
    fast: bool = False,
) -> Report:
    """Finds the hand-written derivatives in ``f(*args)``; says whether they are right.

    The program is traced and run once at the arguments. Each `jax.custom_vjp` and
    `jax.custom_jvp` in it, ours or anybody's, is then examined by itself where it
    stands: in `jit`, `scan`, `while_loop`, every branch of `cond`, `checkpoint`,
    `vmap`, inside of other rules, and under gradients that `f` itself takes. A
    `shard_map` with rules in it is looked at as one.

    Three witnesses are heard: the rule, the automatic derivative of the function that
    it is of (of a `funcnn.rule` that of its reference or its surrogate), and the
    function itself by numerical slopes from both sides, with an error of their own.
    They are evaluated in float64, whatever the dtypes of the program, at the inputs
    that really reached the rule; near them; at random ones of scales from 1e-3 to
    1e4; on every kink of the function, zeros and ties; with integers repeated and
    masks full and empty; and in other shapes of f's arguments. The cotangents are
    random, negative, huge, tiny, zero, of one entry, and of each output alone.
    Besides, the rule has to leave the value as it is, to give cotangents of its
    arguments' dtypes, to be about as exact as the automatic derivative in its own
    dtypes, and, where it can be differentiated, to have the derivative that it has.

    Args:
      f: any function that JAX can trace.
      *args: its arguments: arrays, pytrees of them, and anything else, which is kept.
      reference: for rules that JAX cannot see into, such as kernels: the plain
        function that each is held against, by rule.
      fast: look at fewer points, and at no second derivatives and other shapes.

    Returns:
      A `Report` with an `AuditRow` for each rule in the order of the program, whose
      verdict is:
        OK: it is the derivative of its function.
        KINK: at a kink, and there it is between the one-sided slopes.
        AUTO WRONG: it is right where automatic differentiation is not.
        SURROGATE: it differs from its function as it is declared to.
        NOT TESTABLE: the row says why.
        RULE WRONG, BOTH WRONG (so is the automatic derivative), KINK OUTSIDE (of the
        one-sided slopes), STRUCTURE (dtype or shape) and RAISES fail: `ok` is False.
      A program without rules has no rows and a note. What `f` itself raises, or a
      program that stops half way, is a row that says where.

    Raises:
      TypeError: when `f` is no function, or inside of `jit`, `vmap` or `grad`.

    A rule with more than 20,000 entries in its inputs is compared at those, and near
    them, in its own dtypes, and examined at length for the first two examples. When
    an audit has taken 12 seconds, the rules that are left are looked at as with `fast`.

    Limits: where the function repeats until it is near enough (`while_loop`), its own
    derivative is known to half a percent only. A gradient that is cut off on purpose
    needs a declaration, `funcnn.rule(..., surrogate=...)` or `reference`. Values are
    compared where the function is finite. A mistake that shows only beyond 10,000 times
    the usual size, as where squares overflow, is found where it is given.
    """
    title = f"audit of {_name(f)}"
    program, declared = of_arrays("audit", f, args), dict(reference or {})
    try:
        found = occurrences(program.function, program.arrays, declared)
    except Exception as error:  # of any kind: it is f's own
        return report(title, [raised_row(error, "")], "rule")
    of_f = _Audit(f, program, found, declared)
    rows = of_f.examined(Depth.fast() if fast else Depth())
    notes = () if rows else ("no hand-written rule in this program",)
    if found.stopped:
        rows.append(raised_row(found.stopped[1], found.stopped[0]))
    if rows and not fast:
        rows = of_f.more(rows)
    return report(title, rows, "rule", notes)


def report(
    title: str, rows: list[AuditRow], noun: str, notes: tuple[str, ...] = ()
) -> Report:
    """Rows of rules as a report, with what its words mean under it."""
    words = dict.fromkeys(row.verdict for row in rows)
    legend = [f"{word}: {_MEANING[word]}" for word in words if word in _MEANING]
    notes = (*notes, *legend, *([_ERROR] if rows else []))
    return Report(title, tuple(rows), _COLUMNS, noun=noun, notes=notes, left=_LEFT)


def _name(f: Any) -> str:
    return str(getattr(f, "__name__", type(f).__name__))


@dataclasses.dataclass(frozen=True)
class _Audit:
    """A function, its program, and the rules that were found in it."""

    f: Callable[..., Any]
    program: OfArrays
    found: Found
    declared: Declared
    start: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def _late(self) -> bool:
        return time.monotonic() - self.start > _SECONDS

    def examined(self, depth: Depth) -> list[AuditRow]:
        """A row for each rule."""
        rows: list[AuditRow] = []

        def add(one: Occurrence, done: Examination, consumed: bool = False) -> None:
            row = row_of(one, done, consumed=consumed)
            few = sum(fails(r.verdict) for r in rows) < _MOST_SHRUNK
            few = few and depth.shrink
            rows.append(shrunk(row, one, self.declared) if few else row)

        for occurrence in self.found.occurrences:
            add(occurrence, self._examined(occurrence, depth))
        for one in consumed_occurrences(self.found.consumed, self.declared):
            if isinstance(one, Occurrence):
                add(one, self._examined(one, depth), consumed=True)
            else:
                call, error = one
                rows.append(raised_row(error, f"the call of {_name(call.custom)}"))
        return rows

    def _examined(self, occurrence: Occurrence, depth: Depth) -> Examination:
        if self._late:
            depth = Depth.fast()
        large = entries(occurrence.inputs[0]) > LARGE
        fewer = reduced(occurrence, self.declared) if large else None
        done = examine(occurrence, Depth.lightest() if fewer else depth)
        if fewer is not None and not done.failures:
            done = done.joined(examine(fewer, depth))
        if self._late:
            done.notes.append(f"at fewer points: the audit had taken {_SECONDS:g} s")
        return done

    def more(self, rows: list[AuditRow]) -> list[AuditRow]:
        """What is looked at only where nothing has been found so far."""
        for ways in (self._wider, self._shaped):
            if not _fail(rows) and not self._late:
                rows = ways(rows)
        surrogate = any(row.verdict == SURROGATE for row in rows)
        small = sum(x.size for x in self.program.arrays) <= _WHOLE_ENTRIES
        if _fail(rows) or surrogate or self._late or not small:
            return rows
        strict = not any(row.verdict == AUTO_WRONG for row in rows)
        function, arrays, names = self.program
        wrong = whole_findings(function, arrays, self.found.program, names, strict)
        done = Examination(findings=wrong, points=1)
        return [*rows, row_of(None, done)] if wrong else rows

    def _wider(self, rows: list[AuditRow]) -> list[AuditRow]:
        """In half precision constants are rounded to three digits, here to seven."""
        arrays = [_widened(x) for x in self.program.arrays]
        if all(new is old for new, old in zip(arrays, self.program.arrays)):
            return rows
        return self._replaced(rows, "float32", arrays)

    def _shaped(self, rows: list[AuditRow]) -> list[AuditRow]:
        """In other shapes."""
        end = time.monotonic() + _SHAPES_SECONDS
        if sum(x.size for x in self.program.arrays) > _SHAPES_ENTRIES:
            return rows
        fixed = captured_sizes(self.f, self.found.marks)
        for label, arrays in reshaped(self.program.arrays, fixed):
            if not _fail(rows) and time.monotonic() < end:
                rows = self._replaced(rows, label, arrays)
        return rows

    def _replaced(
        self, rows: list[AuditRow], label: str, arrays: list[Any]
    ) -> list[AuditRow]:
        """The rows, one replaced where the rule is wrong at these arguments."""
        try:
            there = occurrences(self.program.function, arrays, self.declared)
        except Exception:  # f does not take them
            return rows
        if len(there.occurrences) != len(self.found.occurrences):
            return rows
        for number, occurrence in enumerate(there.occurrences):
            if wrong := shape_findings(occurrence, label):
                row = row_of(occurrence, Examination(findings=wrong, points=1))
                row = shrunk(row, occurrence, self.declared)
                return [*rows[:number], row, *rows[number + 1 :]]
        return rows


def _widened(x: Any) -> Any:
    half = jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize < 4
    return x.astype(jnp.float32) if half else x


def _fail(rows: list[AuditRow]) -> bool:
    return any(fails(row.verdict) for row in rows)
