"""Constants given as integers, as people write them: the gradient must not raise."""

import re
import warnings
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from .cases import Case
from .classes import RAISES
from .sweep import Finding, inputs, true_slope


def with_integers(code: str) -> str:
    """The code with 2 for 2.0."""
    return re.sub(r"(?<![\w.])(\d+)\.0(?![\d.])", r"\1", code)


def raising(case: Case, failed: bool) -> Finding | None:
    """A gradient that raises where the function itself does not.

    As the case stands where that has `failed`, and with its constants as integers.
    """
    codes = [case.code] if failed else []
    codes += {with_integers(case.code)} - {case.code}
    for code in codes:
        variant = replace(case, code=code)
        point = generic(case)
        error = raised(variant, point)
        if error:
            index = 0 if case.size else None
            true = true_slope(case, point, index)
            if true is not None:
                return Finding(variant, point, index, np.nan, true, RAISES, error)
    return None


def generic(case: Case) -> Any:
    """A point in the middle of the domain, where the slope is finite."""
    points = inputs(case)
    sizes = np.abs(np.where(points == 0, 1e-9, points)).reshape(len(points), -1)
    with np.errstate(all="ignore"):
        return points[np.abs(np.log10(sizes) - np.log10(0.3)).max(axis=1).argmin()]


def raised(case: Case, point: Any) -> str:
    """What the gradient raises; nothing if it does not, or the function does too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case.call(point)
        except Exception:
            return ""
        try:
            jax.grad(case.call)(point)
        except Exception as error:
            return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""
