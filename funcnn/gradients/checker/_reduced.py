"""A rule called with fewer examples, so that it can be examined at length."""

import dataclasses
from typing import Any

import numpy as np

from funcnn.gradients.checker._marks import Declared
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._shrink_call import Call

_EXAMPLES = 2


def reduced(occurrence: Occurrence, declared: Declared) -> Occurrence | None:
    """The same rule at its first two examples; None where it has none.

    What is a batch is not known: inputs whose first axis is as long as the output's
    are taken for one, if the rule can be called with less of it.
    """
    shape = occurrence.equation.outvars[0].aval.shape
    try:
        call = Call(occurrence, declared)
        arrays = call.arrays(occurrence.inputs[0])
        batch = [bool(shape) and x.ndim > 0 and x.shape[0] == shape[0] for x in arrays]
    except Exception:  # it cannot be called again
        return None
    if not any(batch) or shape[0] in call.fixed or call.constants:
        return None
    # a bias may be as long as the batch
    for chosen in (batch, [i == batch.index(True) for i in range(len(batch))]):
        cut = [x[:_EXAMPLES] if yes else x for x, yes in zip(arrays, chosen)]
        try:
            fewer, _ = call.at(cut)
        except Exception:  # that was no batch
            continue
        return dataclasses.replace(fewer, active=occurrence.active)
    return None


def entries(inputs: list[Any]) -> int:
    """How many there are in all."""
    return sum(int(np.size(x)) for x in inputs)
