"""The largest batch of which a program still fits."""

from collections.abc import Callable
from typing import Any

from funcnn.parallel._compile import compile_for
from funcnn.parallel._report import Report
from funcnn.parallel._targets import Target, TargetError, parse_target

Tell = Callable[[int, Report | None], None]


def largest_batch(
    target: str | Target,
    program: Callable[[int], tuple[Callable[..., Any], tuple[Any, ...]]],
    *,
    multiple: int = 1,
    start: int | None = None,
    most: int = 2**24,
    tell: Tell | None = None,
) -> tuple[int, Report]:
    """The largest batch with which a program fits the target's memory, and its report.

    The batch is doubled until it no longer fits; between there and the last that fits
    it is narrowed down. Each try is a compilation.

    Args:
      target: a TPU or GPU: see `parse_target`.
      program: ``program(batch_size) -> (f, args)``, as for `compile_for`.
      multiple: of which the batch has to be one, such as the devices along "data".
      start: what is tried first; by default `multiple`.
      most: beyond this nothing is tried.
      tell: is called with each batch before its try, and None, and after it, with the
        report.

    Returns:
      The batch, or 0 where not even one of `multiple` fits, and the report of that one.

    Raises:
      TargetError, MissingCompilerError, CompilationError: as `compile_for`.
      ValueError: when `multiple`, `start` and `most` leave nothing to try.
    """
    target = parse_target(target) if isinstance(target, str) else target
    if target.chip is None:
        raise TargetError(f"{target.text} has no memory of known size to fill")
    units, first = most // multiple, max(1, (start or multiple) // multiple)
    if multiple < 1 or not 1 <= first <= units:
        raise ValueError(
            f"largest_batch: there is nothing from {first * multiple} to {most}"
        )
    tried = _Tried(target, program, multiple, tell or (lambda batch, report: None))
    low, high = _bracket(tried, first, units)
    while high - low > 1:
        middle = tried.guess(low, high)
        low, high = (middle, high) if tried[middle].fits else (low, middle)
    return low * multiple, tried[max(low, 1)]


class _Tried:
    """The reports of the batches that were compiled, each once."""

    def __init__(self, target: Target, program: Any, multiple: int, tell: Tell) -> None:
        self._target, self._program = target, program
        self._multiple, self._tell = multiple, tell
        self._reports: dict[int, Report] = {}
        self._width = 0

    def __getitem__(self, units: int) -> Report:
        if units not in self._reports:
            batch = units * self._multiple
            self._tell(batch, None)
            f, args = self._program(batch)
            report = self._reports[units] = compile_for(self._target, f, *args)
            self._tell(batch, report)
        return self._reports[units]

    def guess(self, low: int, high: int) -> int:
        """Where the memory is used up, if it grows evenly; else the middle.

        The middle whenever the last guess has not halved the interval.
        """
        halved = 2 * (high - low) <= self._width
        self._width = high - low
        below, above = self._needed(low), self._needed(high)
        available = self[high].available or 0
        if not halved or not below or above <= below:
            return (low + high) // 2
        share = (available - below) / (above - below)
        return min(max(low + int(share * (high - low)), low + 1), high - 1)

    def _needed(self, units: int) -> int:
        report = self._reports.get(units)
        return (report and report.needed) or 0


def _bracket(tried: _Tried, first: int, units: int) -> tuple[int, int]:
    """A number that fits, or 0, and one that does not, or the first beyond all."""
    if not tried[first].fits:
        return 0, first
    low = first
    while low < units:
        high = min(2 * low, units)
        if not tried[high].fits:
            return low, high
        low = high
    return units, units + 1
