"""Axes for text pictures, whose ticks sit at fixed characters."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

MANTISSAS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


@dataclass(frozen=True)
class TextAxis:
    """An axis of a text picture.

    Attributes:
        low: the value at its start.
        high: the value at its end, above every value drawn.
        interval: between two labelled ticks; `low` is a multiple of it.
        whole: whether only whole numbers get a label, as for epochs.
    """

    low: float
    high: float
    interval: float
    whole: bool

    def label(self, value: float, characters: int) -> str:
        """Write a tick's number.

        Args:
            value: where the tick is; float noise is rounded off.
            characters: how many the text may take, at least 8.

        Returns:
            The number with as many digits as fit, or "" where no label belongs.
        """
        steps = value / self.interval
        if abs(steps - round(steps)) > 1e-3:
            return ""
        exact = round(steps) * self.interval
        if self.whole and abs(exact - round(exact)) > 1e-6 * self.interval:
            return ""
        texts = (f"{exact:.{digits}g}" for digits in range(8, 0, -1))
        return next(text for text in texts if len(text) <= characters)


def text_axis(
    values: Sequence[float], length: int, spacing: int, *, whole: bool
) -> TextAxis:
    """Choose limits that make the ticks round numbers.

    Args:
        values: what is to be drawn, at least one, all finite with |value| <= 1e300.
        length: of the axis in characters.
        spacing: between two labelled ticks in characters.
        whole: whether to label whole numbers only, as suits epochs.

    Returns:
        The tightest axis with round ticks that holds all values.
    """
    smallest, largest = _widened(min(values), max(values))
    for interval in _intervals((largest - smallest) * spacing / length, whole):
        low = math.floor(smallest / interval) * interval
        high = low + interval * length / spacing
        # The canvas drops points that round to its end: keep half a dot away.
        if largest <= high - (high - low) / (2 * length):
            return TextAxis(low, high, interval, whole)
    raise AssertionError("unreachable: the intervals grow without bound")


def _intervals(least: float, whole: bool) -> Iterator[float]:
    """Yield round intervals, growing, from the decade of `least` on."""
    for exponent in count(math.floor(math.log10(least))):
        for mantissa in MANTISSAS:
            interval = mantissa * 10.0**exponent
            # Among whole numbers, ticks must land on them: every 2 or 0.5, not 0.4.
            if not whole or interval.is_integer() or (1 / interval).is_integer():
                yield interval


def _widened(smallest: float, largest: float) -> tuple[float, float]:
    """Give values which (nearly) agree a range that can be divided."""
    magnitude = max(abs(smallest), abs(largest))
    if largest - smallest > max(1e-12 * magnitude, 1e-300):
        return smallest, largest
    half = magnitude / 2
    if magnitude < 1e-300 or (smallest.is_integer() and magnitude < 1e6):
        half = 1.0
    return smallest - half, largest + half
