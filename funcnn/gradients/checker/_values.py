"""Whether a rule leaves the value as it is, and zero as zero."""

import numpy as np

from funcnn.gradients._verdicts import RULE_WRONG
from funcnn.gradients.checker._cotangents import zeros
from funcnn.gradients.checker._evaluation import Evaluation, Outcome
from funcnn.gradients.checker._findings import Finding, value_finding
from funcnn.gradients.checker._inputs import Candidate
from funcnn.gradients.checker._occurrence import Occurrence


def value_findings(
    candidate: Candidate,
    occurrence: Occurrence,
    evaluation: Evaluation,
    outcome: Outcome,
) -> list[Finding]:
    """Whether differentiating changes the value, or the rule has another at all."""
    tolerance, found = evaluation.value_tolerance, []
    others = [(outcome.forward, "the forward pass of the rule gives another value")]
    if not occurrence.surrogate and (candidate.given or candidate.smooth):
        text = "the value is another than that of the reference"
        others.append((outcome.declared, text))
    for other, reason in others:
        for value, also in zip(outcome.value, other):
            if not np.isfinite(value).all() or value.shape != also.shape:
                continue
            if other is outcome.declared and not np.isfinite(also).all():
                continue
            one = value_finding(also, value, tolerance, candidate.label, reason)
            found += [one] if one else []
    return found


def zero_findings(
    candidate: Candidate,
    occurrence: Occurrence,
    evaluation: Evaluation,
    outcome: Outcome,
) -> list[Finding]:
    """A cotangent of zero has to give exactly zero."""
    found = []
    of_zero = evaluation.at(candidate.arrays, zeros(evaluation.types))
    for k, i in enumerate(evaluation.programs.floats):
        wrong = (of_zero.manual[k] != 0) & np.isfinite(outcome.manual[k])
        if wrong.any():
            index = tuple(map(int, np.argwhere(wrong)[0]))
            found.append(
                Finding(
                    RULE_WRONG,
                    occurrence.names[i],
                    candidate.label,
                    "zero",
                    index,
                    of_zero.manual[k][index].item(),
                    0.0,
                    "",
                    1.0,
                    "a cotangent of zero does not give exactly zero",
                )
            )
    return found
