"""One function over one dtype: how far its values and its slopes are from the truth."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from funcnn._ulps import errors_in_ulps

from .points import points
from .truths import OPS, Numbers, at

STEP = 1e-6  # relative; for condition numbers

Truth = Callable[[Numbers], Numbers]
Bound = Callable[[Numbers, Numbers, Numbers], Numbers]  # of errors, inputs, truths


@dataclass
class Worst:
    """Of many results.

    Attributes:
      ulps: the largest error, infinite where a finite number has become another.
      input: where it is.
      share: the largest error as a share of what is allowed; only of finite results.
      share_input: where that is.
      not_finite: how many are not finite though the input and the truth are.
      broken: how many are beyond what is allowed, or not finite.
    """

    ulps: float = 0.0
    input: float = 0.0
    share: float = 0.0
    share_input: float = 0.0
    not_finite: int = 0
    broken: int = 0

    def add(self, x: Numbers, got: Any, true: Numbers, bound: Bound) -> None:
        """Takes in one chunk; nothing is asked where the truth is NaN."""
        dtype, found = got.dtype, _wide(got)
        with np.errstate(all="ignore"):
            errors = errors_in_ulps(found, true, dtype)
            right = _wide(true.astype(dtype))
        endless = np.isinf(true)
        errors = np.where(endless, np.where(found == true, 0.0, np.inf), errors)
        errors = np.where(np.isnan(true), 0.0, errors)
        wanted = np.isfinite(x) & np.isfinite(right)
        self.not_finite += int((wanted & ~np.isfinite(found)).sum())
        allowed = bound(errors, x, true)
        self.broken += int((errors > allowed).sum())
        place = int(np.argmax(errors))
        if errors[place] > self.ulps:
            self.ulps, self.input = float(errors[place]), float(x[place])
        shares = np.where(np.isfinite(errors), errors, 0.0) / allowed
        place = int(np.argmax(shares))
        if shares[place] > self.share:
            self.share, self.share_input = float(shares[place]), float(x[place])


@dataclass
class Row:
    """A function's values, or its slopes, in one dtype."""

    op: str
    quantity: str
    dtype: str
    ours: Worst
    theirs: Worst
    inputs: int = 0


def measured(name: str, dtype: str, count: int) -> list[Row]:
    """The rows of one function in one dtype; `count` inputs of float32."""
    op = OPS[name]
    rows = [Row(name, q, dtype, Worst(), Worst()) for q in ("value", "slope")]
    ours, theirs = _both(op.ours), _both(op.theirs)
    for given in points(dtype, count):
        x = _wide(given)
        at_kink = np.isin(x, op.kinks)
        results = zip(rows, (op.value, op.slope), ours(given), theirs(given))
        for row, truth, mine, other in results:
            true = at(truth, x, op.converges)
            bound = functools.partial(allowed, dtype, truth)
            row.inputs += x.size
            row.ours.add(x, mine, true, bound)
            # at a kink conventions differ
            row.theirs.add(x, other, np.where(at_kink, np.nan, true), bound)
    return rows


def allowed(
    dtype: str, truth: Truth, errors: Numbers, x: Numbers, true: Numbers
) -> Numbers:
    """1, or for float32 4 + 2c, with c only where the error is above 2."""
    if dtype != "float32":
        return np.ones(x.shape)
    found = np.full(x.shape, 4.0)
    asked = errors > 2
    found[asked] += 2 * condition(truth, x[asked], true[asked])
    return found


def condition(truth: Truth, x: Numbers, true: Numbers) -> Numbers:
    """|x f'(x) / f(x)|, by the smaller of the differences to both sides."""
    with np.errstate(all="ignore"):
        sides = [np.abs(truth(x * (1 + s * STEP)) - true) for s in (1, -1)]
        found = np.fmin(*sides) / (STEP * np.abs(true))
    return np.where(np.isfinite(found), found, 0.0)


def _both(f: Callable[[jax.Array], jax.Array]) -> Callable[[Any], Any]:
    """The values, and the slopes by a cotangent of ones."""
    slopes = jax.jit(jax.grad(lambda x: f(x).sum(dtype=x.dtype)))
    values = jax.jit(f)

    def run(x: np.ndarray) -> tuple[Any, Any]:
        return np.asarray(values(x)), np.asarray(slopes(x))

    return run


def _wide(x: Any) -> Numbers:
    with np.errstate(invalid="ignore"):  # of a NaN in half precision
        return np.asarray(x).astype(np.float64)
