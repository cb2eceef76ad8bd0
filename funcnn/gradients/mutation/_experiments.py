"""An op's cases, with what it computes at all trials, to compare mutants with."""

import functools
from typing import Any

import jax
import numpy as np

from funcnn.gradients.mutation._cases import Case, cases_of
from funcnn.gradients.mutation._conventions import Conventions
from funcnn.gradients.mutation._resized import resized_cases
from funcnn.gradients.mutation._trial_points import BEYOND
from funcnn.gradients.mutation._trials import (
    Derivatives,
    Run,
    Trial,
    derivatives,
    together,
    trials,
)

# Relative to the largest entry of a leaf: another order of the same sums. And what
# the largest leaf's rounding leaves of one that is truly 0.
_SAME, _NOISE = 1e-12, 1e-15
_FEW = 3


class Experiment:
    """A case of an op; what the op computes is made when it is asked for."""

    def __init__(self, op: Any, case: Case, most: int | None = None) -> None:
        self._op, self.case, self._most = op, case, most
        self._run = derivatives(op, case)
        self._conventions = Conventions(op, case)
        # the last few mutants': one that is not found is compared again
        self._of = functools.lru_cache(maxsize=2)(lambda op: derivatives(op, case))

    def difference_as_given(self, op: Any) -> str:
        """What differs at the point as given."""
        trial, expected = self._given
        return _compared(self._of(op), trial, expected)

    def difference(self, op: Any, number: int) -> str:
        """What differs at one of the `points`, such as ``cotangents``."""
        return _compared(self._of(op), *self.points[number])

    def difference_mapped(self, op: Any) -> str:
        """What differs under `jax.vmap`, which may have a fault of its own."""
        if self._mapped is None:
            return ""
        return _compared(derivatives(op, self.case, mapped=True), *self._mapped)

    def leaves_free(self, op: Any, number: int) -> bool:
        """Whether a point is on a kink, where another op's slope is allowed."""
        return self._conventions.allow(self._run, self._of(op), self.points[number][0])

    @functools.cached_property
    def points(self) -> list[tuple[Trial, Derivatives]]:
        """All points of the op's domain: where its output has no NaN.

        An index that is out of range makes a NaN on purpose, and has no gradient.
        """
        pairs = [(trial, self._run(trial)) for trial in self._trials]
        return [
            (trial, expected)
            for trial, expected in pairs
            if not _has_nan(
                expected.cotangents if trial.label == BEYOND else expected.output
            )
        ]

    @functools.cached_property
    def _trials(self) -> list[Trial]:
        return trials(self._op, self.case, self._most)

    @functools.cached_property
    def _given(self) -> tuple[Trial, Derivatives]:
        return self._trials[0], self._run(self._trials[0])

    @functools.cached_property
    def _mapped(self) -> tuple[Trial, Derivatives] | None:
        """The first points, together; without the given one: it may be on a kink."""
        given = self._trials[0].arrays
        other = (t for t, _ in self.points if t.arrays is not given)
        some = [t for t in other if t.label != BEYOND][:3]
        leaves = jax.tree.leaves(some[0].cotangent) if some else []
        if not leaves or any(leaf.dtype == jax.dtypes.float0 for leaf in leaves):
            return None  # cannot be mapped over
        trial = together(self.case, some)
        return trial, derivatives(self._op, self.case, mapped=True)(trial)


@functools.lru_cache(maxsize=2)  # of the op that all mutants in turn are compared with
def experiments(op: Any) -> tuple[Experiment, ...]:
    """Those of all cases of an op in float64, the smallest case first."""
    cases = sorted(cases_of(op, np.float64), key=lambda case: case.size)
    return tuple(Experiment(op, case) for case in cases)


@functools.lru_cache(maxsize=2)
def resized_experiments(op: Any) -> tuple[Experiment, ...]:
    """Those of other shapes, at a few points each; their numbers are -1."""
    return tuple(Experiment(op, case, _FEW) for case in resized_cases(op))


def _compared(other: Run, trial: Trial, expected: Derivatives) -> str:
    """What differs at a trial; a mutant may also raise where the op does not."""
    try:
        given = other(trial)
    except Exception as error:  # whatever it is, it is the mutant's
        return f"raises {type(error).__name__}"
    for name in Derivatives._fields:
        one, two = getattr(given, name), getattr(expected, name)
        if _dtypes(one) != _dtypes(two):
            return f"dtype of {name}"
        if not _same(_arrays(one), _arrays(two)):
            return name
    return ""


def _has_nan(tree: Any) -> bool:
    return any(np.isnan(x).any() for x in _arrays(tree))


def _dtypes(tree: Any) -> list[Any]:
    return [leaf.dtype for leaf in jax.tree.leaves(tree)]


def _arrays(tree: Any) -> list[np.ndarray]:
    leaves = map(np.asarray, jax.tree.leaves(tree))
    return [x.astype(np.float64) for x in leaves if x.dtype != jax.dtypes.float0]


@np.errstate(all="ignore")  # what overflows here differs
def _same(given: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    scales = [np.abs(e[np.isfinite(e)]).max(initial=0) for e in expected]
    largest = max(scales, default=0.0)
    for g, e, scale in zip(given, expected, scales, strict=True):
        finite = np.isfinite(e)
        if not np.array_equal(g[~finite], e[~finite], equal_nan=True):
            return False
        # not `>`: a NaN must differ
        error = np.abs(g[finite] - e[finite]).max(initial=0)
        if not error <= _SAME * scale + _NOISE * largest:
            return False
    return True
