"""Which word the three witnesses amount to, for one leaf of a program's gradient."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from funcnn.gradients._compare_leaves import Leaf
from funcnn.gradients._compare_rows import bends
from funcnn.gradients._numeric import Slopes
from funcnn.gradients._verdicts import (
    AUTO_WRONG,
    BOTH_WRONG,
    DIFFERENT,
    KINK,
    KINK_OUTSIDE,
    NOT_TESTABLE,
    OK,
    RULE_WRONG,
)

# Both gradients share the rounding of the forward pass, which the slope has not: where
# they agree, only a slope that is plainly another says that both are wrong.
_PLAIN = {"float64": 1e-4, "float32": 1e-2, "float16": 0.2, "bfloat16": 0.2}
RANDOM = "random"  # a direction
_KNOWN = 1e-3  # a slope with a larger relative error decides nothing


class Seen(NamedTuple):
    """What the three say along one direction."""

    leaf: Leaf
    label: str
    direction: np.ndarray
    slopes: Slopes

    @property
    def manual(self) -> float:
        """The slope by the rules."""
        return _along(self.leaf.manual, self.direction)

    @property
    def automatic(self) -> float:
        """The slope by automatic differentiation."""
        if self.leaf.automatic is None:
            return math.nan
        return _along(self.leaf.automatic, self.direction)

    @property
    def is_weak(self) -> bool:
        """Whether most of the gradient cancels out along this direction."""
        size = float(np.linalg.norm(self.leaf.manual * self.direction))
        return abs(self.slopes.central) < 0.1 * size

    @property
    def word(self) -> str | None:
        """The verdict along this direction; None where the slope does not decide."""
        leaf, slopes = self.leaf, self.slopes
        plain = _PLAIN[leaf.dtype]
        # rounding errors of many entries add up like random numbers
        slack = leaf.bound * float(np.linalg.norm(self.direction))
        if bends(slopes, plain if leaf.agree else 1e-6):
            low, high = sorted((slopes.left, slopes.right))
            slack += 10 * (slopes.left_error + slopes.right_error)
            inside = low - slack <= self.manual <= high + slack
            return KINK if inside else KINK_OUTSIDE
        value, doubt = slopes.central, 10 * slopes.central_error
        if slopes.kink:  # of no weight
            doubt += abs(slopes.right - slopes.left)
        enough = max(10 * _KNOWN * abs(value), slack, 1e-12)
        if not math.isfinite(value) or doubt > enough:
            return None
        near = doubt + slack
        if leaf.agree or leaf.automatic is None:
            near += plain * float(np.linalg.norm(leaf.manual * self.direction))
        by_rule = abs(self.manual - value) <= near
        if leaf.automatic is None:
            return OK if by_rule else RULE_WRONG
        by_auto = abs(self.automatic - value) <= near
        if by_rule and by_auto:
            return OK if leaf.agree else None
        if leaf.agree:
            return BOTH_WRONG if not by_rule and not by_auto else OK
        return AUTO_WRONG if by_rule else RULE_WRONG if by_auto else BOTH_WRONG


Ask = Callable[[bool, bool], Seen]
"""Slopes, along the worst entry and not at random?, at a point nearby?"""


def judged(leaf: Leaf, ask: Ask) -> tuple[str, Seen]:
    """The verdict on a leaf, and what it is from.

    At a point nearby the conventions of a kink are gone, and mistakes are not.
    """
    seen = ask(False, False)
    word = seen.word
    if word == OK and seen.is_weak:
        entry = ask(True, False)
        word, seen = (entry.word, entry) if entry.word else (word, seen)
    if leaf.agree:
        if word in (BOTH_WRONG, KINK_OUTSIDE):
            beside = ask(seen.label != RANDOM, True).word
            return (BOTH_WRONG if beside == BOTH_WRONG else KINK), seen
        return word or OK, seen
    if word is None or word in (KINK, KINK_OUTSIDE):
        entry = ask(True, False)
        if entry.word is not None:
            word, seen = entry.word, entry
    if word in (KINK, KINK_OUTSIDE):
        there = _nearby(ask)
        if there is not None:
            return there
    return word or without_slope(leaf), seen


def without_slope(leaf: Leaf) -> str:
    """The verdict on two gradients, where no slope decides."""
    if leaf.automatic is None:
        return NOT_TESTABLE
    return OK if leaf.agree else DIFFERENT


def _nearby(ask: Ask) -> tuple[str, Seen] | None:
    """Whether the rule is wrong where there is no kink."""
    for at_worst in (False, True):
        seen = ask(at_worst, True)
        if seen.leaf.agree:
            return None
        if seen.word in (RULE_WRONG, BOTH_WRONG):
            return seen.word, seen
    return None


def _along(gradient: np.ndarray, direction: np.ndarray) -> float:
    moved = direction != 0
    return float((gradient[moved] * direction[moved]).sum())
