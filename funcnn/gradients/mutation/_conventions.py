"""Whether a gradient that differs at a kink stays within the one-sided slopes."""

from typing import Any

import jax
import numpy as np

from funcnn.gradients._numeric import Slopes, directional
from funcnn.gradients.mutation._cases import Case
from funcnn.gradients.mutation._trials import Run, Trial

_MOST_OUTPUTS, _MOST_ROWS, _MOST_ENTRIES, _RANDOM = 256, 4, 4, 2


class Conventions:
    """The slopes of the function that an op's gradient is declared to be that of."""

    def __init__(self, op: Any, case: Case) -> None:
        self._case = case
        declared = op.declared
        # one function, for its compiled form is kept by it
        self._function = lambda *arrays: declared(*case.full(arrays))

    @np.errstate(all="ignore")  # rows may be infinite: then nothing is near them
    def allow(self, right: Run, other: Run, trial: Trial) -> bool:
        """Whether another gradient is one that the kink at a trial leaves free.

        Each entry of the output is a function of its own, for a sum of kinks has
        slopes that no sum of conventions need lie between. The other gradient has to
        be linear in the cotangent, and for every entry in which it differs its
        derivative along random and single-entry directions must lie between the
        one-sided slopes; where those agree it must not differ.
        """
        outputs = sum(leaf.size for leaf in jax.tree.leaves(trial.cotangent))
        if outputs > _MOST_OUTPUTS:
            return False  # not shown
        seeds = [_one_hot(trial.cotangent, i) for i in range(outputs)]
        rows = [_row(other, trial, seed) for seed in seeds]
        whole = sum(g * row for g, row in zip(_flat(trial.cotangent), rows))
        if not _near(_row(other, trial, trial.cotangent), whole):
            return False
        own = [_row(right, trial, seed) for seed in seeds]
        differing = [i for i in range(outputs) if not _near(rows[i], own[i])]
        return bool(differing) and all(
            self._within(trial, seeds[i], rows[i], own[i])
            for i in differing[:_MOST_ROWS]
        )

    def _within(
        self, trial: Trial, seed: Any, row: np.ndarray, own: np.ndarray
    ) -> bool:
        rng = np.random.default_rng(0)
        single = np.flatnonzero(row != own)[:_MOST_ENTRIES]
        directions = [
            *np.eye(row.size)[single],
            *rng.standard_normal((_RANDOM, row.size)),
        ]
        return all(
            _between(self._slopes(trial, seed, d), float(row @ d), float(own @ d))
            for d in directions
        )

    def _slopes(self, trial: Trial, seed: Any, direction: np.ndarray) -> Slopes:
        """Along a direction of all float arguments together."""
        entries = iter(direction)
        floats = set(map(self._case.order, self._case.floats))
        parts = tuple(
            jax.tree.map(
                lambda x: np.reshape([next(entries) for _ in range(x.size)], x.shape),
                arg,
            )
            if i in floats
            else arg
            for i, arg in enumerate(trial.arrays)
        )
        return directional(self._function, trial.arrays, parts, weights=seed)


def _between(slopes: Slopes, value: float, own: float) -> bool:
    low, high = sorted((slopes.left, slopes.right))
    slack = 10 * max(slopes.left_error, slopes.right_error)
    slack += 1e-7 * max(abs(low), abs(high))
    if not np.isfinite(slack):
        return False
    if not slopes.kink:  # differentiable: there is no choice
        return abs(value - own) <= 1e-9 * max(abs(own), abs(low), abs(high))
    return low - slack <= value <= high + slack


def _row(run: Run, trial: Trial, seed: Any) -> np.ndarray:
    return _flat(run(trial._replace(cotangent=seed)).cotangents)


def _flat(tree: Any) -> np.ndarray:
    leaves = [np.ravel(leaf) for leaf in jax.tree.leaves(tree)]
    return np.concatenate([np.zeros(0), *leaves])


def _near(one: Any, other: Any) -> bool:
    scale = max(np.abs(one).max(initial=0), np.abs(other).max(initial=0))
    # not `>`: a NaN is near nothing
    return bool(np.abs(one - other).max(initial=0) <= 1e-12 * scale)


def _one_hot(cotangent: Any, number: int) -> Any:
    leaves, tree = jax.tree.flatten(cotangent)
    made = []
    for leaf in leaves:
        zeros = np.zeros_like(leaf)
        if 0 <= number < leaf.size:
            zeros.ravel()[number] = 1
        number -= leaf.size
        made.append(zeros)
    return jax.tree.unflatten(tree, made)
