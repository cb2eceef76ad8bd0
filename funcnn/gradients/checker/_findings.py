"""Where a rule and the automatic derivative are apart, and what is said of it."""

from typing import Any, NamedTuple

import numpy as np

from funcnn.gradients._verdicts import RULE_WRONG


class Finding(NamedTuple):
    """What was found at one point for one input of a rule.

    Attributes:
      verdict: a word of `funcnn.gradients._verdicts`.
      argument: the input's name.
      point: which point.
      cotangent: which cotangent.
      entry: the indices of the worst one.
      manual: what the rule gives there.
      automatic: what automatic differentiation gives there.
      numerical: the slope there, or both one-sided slopes; empty where not asked.
      relative_error: the largest difference over the largest automatic entry.
      reason: what is wrong, in words.
    """

    verdict: str
    argument: str
    point: str
    cotangent: str
    entry: tuple[int, ...]
    manual: Any
    automatic: Any
    numerical: str
    relative_error: float
    reason: str


class Difference(NamedTuple):
    """Where the rule's and the automatic cotangent of one input are apart.

    Attributes:
      entries: True there.
      entry: the indices of the worst of them.
      relative: the difference there over the largest automatic entry.
      bound: below it there is no difference.
    """

    entries: np.ndarray
    entry: tuple[int, ...]
    relative: float
    bound: float


def difference(
    manual: np.ndarray, automatic: np.ndarray, tolerance: float, floor: float
) -> Difference | None:
    """None where they agree; `floor` is the size below which nothing counts."""
    with np.errstate(all="ignore"):
        size = np.abs(automatic[np.isfinite(automatic)]).max(initial=0.0)
        bound = tolerance * max(float(size), floor)
        apart = np.abs(manual - automatic)
        same = (manual == automatic) | (np.isnan(manual) & np.isnan(automatic))
        apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    entries = apart > bound
    if not entries.any():
        return None
    index = tuple(map(int, np.unravel_index(np.argmax(apart), apart.shape)))
    worst = float(apart[index])
    return Difference(entries, index, worst / max(float(size), floor, 1e-300), bound)


def value_finding(
    got: np.ndarray, true: np.ndarray, tolerance: float, point: str, reason: str
) -> Finding | None:
    """That an output is not what it should be; None where it is."""
    apart = difference(got, true, tolerance, 1e-30)
    if apart is None:
        return None
    entry, values = apart.entry, (got[apart.entry].item(), true[apart.entry].item())
    place = "output", point, "", entry
    return Finding(RULE_WRONG, *place, *values, "", apart.relative, reason)
