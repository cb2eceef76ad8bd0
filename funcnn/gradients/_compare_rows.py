"""What `compare_gradients` says of one leaf."""

import math
from typing import NamedTuple

from funcnn.gradients._numeric import Slopes


class ComparisonRow(NamedTuple):
    """One leaf: both gradients, how far they are apart, and the function's own slope.

    Attributes:
      path: of the leaf in the argument.
      shape: of the leaf.
      dtype: of the leaf.
      manual: the norm of the gradient by the program's rules.
      automatic: the norm of the automatic gradient; NaN where there is none.
      relative_error: the largest difference over the largest automatic entry.
      ulp_error: the same in units in the last place of that entry.
      verdict: a word of `funcnn.gradients._verdicts`.
      slope_by_rules: of the gradient by rules, along `direction`.
      slope_automatic: of the automatic gradient.
      slopes: those of the function, with their errors; None where none were taken.
      direction: "random", or the entry that is worst.
      reason: why there are no slopes, or what the verdict is from.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    manual: float
    automatic: float
    relative_error: float
    ulp_error: float
    verdict: str
    slope_by_rules: float = math.nan
    slope_automatic: float = math.nan
    slopes: Slopes | None = None
    direction: str = ""
    reason: str = ""

    @property
    def manual_slope(self) -> str:
        """`slope_by_rules` in as many digits as the numerical one."""
        return "" if self.slopes is None else f"{self.slope_by_rules:.6g}"

    @property
    def automatic_slope(self) -> str:
        """`slope_automatic` in as many digits as the numerical one."""
        return "" if self.slopes is None else f"{self.slope_automatic:.6g}"

    @property
    def numerical_slope(self) -> str:
        """The slope and its error, both one-sided ones at a kink, or why none."""
        if self.slopes is None:
            return self.reason or "-"
        if not math.isfinite(self.slopes.central):
            return "not finite"
        if bends(self.slopes, 1e-6):
            return f"{self.slopes.left:.4g} below, {self.slopes.right:.4g} above"
        return f"{self.slopes.central:.6g} ± {self.slopes.central_error:.0e}"


def bends(slopes: Slopes, share: float) -> bool:
    """Whether there is a kink of more than this share of the larger slope.

    A net has so many kinks that one of them, of no weight, is always nearby.
    """
    largest = max(abs(slopes.left), abs(slopes.right))
    return slopes.kink and abs(slopes.right - slopes.left) > share * largest
