"""What is wrong with a gradient, in one word."""

import math

import numpy as np
from mpmath import mp, mpf

from .points import FLOAT32
from .truth import STEEP, Slope

NAN, INFINITE, RAISES = "NAN", "INFINITE", "RAISES"
WRONG_DIGITS, ZERO, KINK = "WRONG DIGITS", "ZERO", "KINK OUTSIDE"
LOST_TAIL = "LOST TAIL"
DEFECTS = (RAISES, NAN, INFINITE, ZERO, WRONG_DIGITS, KINK)
TOLERANCE = 1e-3  # relative; float32 has 6e-8
ULPS = 4  # an error that so many units in the last place of x explain is none


def classify(got: float, true: Slope, x: float, scale: float = 1) -> str | None:
    """The class of a wrong gradient; None where it is right, or nothing can be said.

    Nothing is said where the truth overflows or underflows float32. An error below
    8 epsilon of slopes of order one, or of `scale`, is its own class, LOST TAIL.
    """
    if abs(true.low) > FLOAT32.max or abs(true.high) >= min(STEEP, FLOAT32.max):
        return None
    if math.isnan(got):
        return NAN
    if math.isinf(got):
        return INFINITE
    error = max(true.low - mpf(got), mpf(got) - true.high, mpf(0))
    size = max(abs(true.low), abs(true.high))
    allowed = TOLERANCE * size + FLOAT32.tiny
    allowed += ULPS * float(FLOAT32.eps) * abs(mpf(x) * true.curvature)
    if error <= allowed:
        return None
    if error < 8 * FLOAT32.eps * float(max(scale, 1)):
        return LOST_TAIL
    if true.kink:
        return KINK
    return ZERO if got == 0 else WRONG_DIGITS


def ulps(got: float, true: Slope) -> float:
    """The error in units in the last place of the true slope, as float32."""
    if not math.isfinite(got):
        return math.inf
    nearest = np.float32(float(true.low))
    unit = mpf(float(np.spacing(np.abs(nearest))))
    return float(abs(mpf(got) - true.low) / unit)


def digits(value: mpf, count: int = 20) -> str:
    """A number to twenty digits."""
    return mp.nstr(value, count, strip_zeros=False)


def subnormal(x: float) -> bool:
    """Whether XLA may take `x`, or a hundredth of it, for zero."""
    return 0 < abs(x) < 100 * FLOAT32.tiny
