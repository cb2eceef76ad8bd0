"""What the slopes of a function along a direction say of two derivatives."""

import math

import numpy as np

from funcnn.gradients._numeric import Slopes
from funcnn.gradients._verdicts import (
    AUTO_WRONG,
    BOTH_WRONG,
    KINK,
    KINK_OUTSIDE,
    OK,
    RULE_WRONG,
)


def decided(
    slopes: Slopes, by_rule: float, by_auto: float, bound: float
) -> tuple[str, str, str] | None:
    """What the slopes along a direction say of both; None where they do not know."""
    text = text_of(slopes)
    if not slopes.kink:
        value, error = slopes.central, slopes.central_error
        if not known(value, error, 1e-3, bound):
            return None
        slack = 10 * error + 1e-6 * abs(value) + bound
        if abs(by_rule - value) <= slack:
            agrees = abs(by_auto - value) <= slack
            return (OK if agrees else AUTO_WRONG), text, "the rule has the right slope"
        if abs(by_auto - value) <= slack or math.isnan(by_auto):
            return RULE_WRONG, text, "the rule has another slope than the function"
        if math.isnan(by_rule) or abs(by_rule - by_auto) > bound:
            return RULE_WRONG, text, "neither derivative is that of the function"
        return BOTH_WRONG, text, "both derivatives are not that of the function"
    low, high = sorted((slopes.left, slopes.right))
    slack = 10 * (slopes.left_error + slopes.right_error) + bound
    slack += 1e-6 * max(abs(low), abs(high))
    if low - slack <= by_rule <= high + slack:
        return KINK, text, "between the one-sided slopes"
    return KINK_OUTSIDE, text, "not between the one-sided slopes"


def known(value: float, error: float, share: float, bound: float = 0.0) -> bool:
    """Whether a slope is known well enough to judge by."""
    if not math.isfinite(value) or not math.isfinite(error):
        return False
    return error <= max(share * abs(value), bound, 1e-12)


def text_of(slopes: Slopes) -> str:
    if slopes.kink:
        return f"{slopes.left:.6g} from below, {slopes.right:.6g} from above"
    return f"{slopes.central:.6g}"


def along(cotangent: np.ndarray, direction: np.ndarray) -> float:
    """Their product, where an entry that is not moved does not count."""
    moved = direction != 0
    return float((cotangent[moved] * direction[moved]).sum())


def length_of(direction: np.ndarray) -> float:
    return float(np.abs(direction).sum())
