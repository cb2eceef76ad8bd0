"""Whether a mutant is wrong at all, or computes the same gradient."""

import itertools
from typing import Any, NamedTuple

import jax

from funcnn.gradients._verdicts import CONVENTION, DIFFERENT, EQUIVALENT
from funcnn.gradients.mutation._experiments import experiments, resized_experiments
from funcnn.gradients.mutation._mutant import Mutant


class Likeness(NamedTuple):
    """What a comparison of an op and a mutant came to; true if it is no fault.

    Attributes:
      verdict: EQUIVALENT, CONVENTION or DIFFERENT.
      reason: what it was found from.
      case: the number of the case that shows the difference; -1 where none does, or
        only one of another shape.
    """

    verdict: str
    reason: str
    case: int = -1

    def __bool__(self) -> bool:
        return self.verdict != DIFFERENT


def equivalent(op: Any, mutant: Mutant) -> Likeness:
    """Shows whether a mutant computes the same as the op; nothing is assumed.

    Over all cases of the op and then cases of other shapes, in float64: at the points
    as given, normals at scales from 1e-3 to 1e2, whole numbers, zeros, ties, all
    equal, and on the kinks; with random, huge, zero and ones cotangents; and mapped
    over by `jax.vmap`. Output, cotangents and the tangents of both, along the inputs
    and the cotangent, have to agree to 1e-12 of a leaf's largest entry, or to be not
    finite alike. Points at which the op's own output has a NaN do not count, for they
    are none of the op; but indices out of range do, where its gradient is finite.

    A mutant that differs on kinks only, each time between the one-sided slopes of
    the declared function, has another convention there, which is no fault.

    Args:
      op: the correct op.
      mutant: one of `mutants(op)`.

    Returns:
      A `Likeness`: false with the point that tells them apart, or true with the
      number of points at which they do not.
    """
    with jax.enable_x64(True):
        return _likeness(op, mutant.op)


def telling_cases(op: Any, mutant: Mutant, most: int) -> tuple[int, ...]:
    """The smallest cases, as given, in which a mutant differs, at most so many."""
    with jax.enable_x64(True):
        telling = (
            experiment.case.number
            for experiment in experiments(op)
            if experiment.case.number in mutant.cases
            and experiment.difference_as_given(mutant.op)
        )
        return tuple(itertools.islice(telling, most))


def _likeness(op: Any, other: Any) -> Likeness:
    kinks = points = 0
    # the second made only where the first tell nothing
    groups = (make(op) for make in (experiments, resized_experiments))
    for experiment in itertools.chain.from_iterable(groups):
        case = experiment.case.number
        where = f"case {case}" if case >= 0 else "a case of another shape"
        for number, (trial, _) in enumerate(experiment.points):
            points += 1
            what = experiment.difference(other, number)
            if not what:
                continue
            # Beside another slope at a kink stands another second derivative.
            free = what in ("cotangents", "second")
            if not (free and experiment.leaves_free(other, number)):
                return Likeness(DIFFERENT, f"{where}, {trial.label}: {what}", case)
            kinks += 1
        if what := experiment.difference_mapped(other):
            return Likeness(DIFFERENT, f"{where}, under vmap: {what}", case)
    if kinks:
        reason = f"differs on {kinks} of {points} points, all kinks, within the slopes"
        return Likeness(CONVENTION, reason)
    return Likeness(EQUIVALENT, f"equal at {points} points")
