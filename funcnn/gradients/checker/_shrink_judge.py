"""Whether a rule is still found wrong at other inputs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients._verdicts import BOTH_WRONG, RULE_WRONG, fails
from funcnn.gradients.checker._cotangents import cotangents, zeros
from funcnn.gradients.checker._evaluation import Evaluation, Outcome, wide
from funcnn.gradients.checker._findings import Finding, difference
from funcnn.gradients.checker._inputs import Candidate, candidates
from funcnn.gradients.checker._judge import Judge
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._shrink_values import replaced

_ORDINARY = ("given", "near", "random")  # what sizes are learned from


class Court:
    """The judge of a rule at one set of shapes, asked for one finding only.

    Attributes:
      evaluation: of the rule.
      sought: the finding.
      names: of the inputs.
    """

    def __init__(
        self, occurrence: Occurrence, evaluation: Evaluation, sought: Finding
    ) -> None:
        self.evaluation, self.sought = evaluation, sought
        self._surrogate, self.names = occurrence.surrogate, occurrence.names
        active = [True] * len(evaluation.avals)
        self._judge = Judge(
            evaluation, occurrence.names, active, declared=occurrence.surrogate
        )
        weights = cotangents(evaluation.types, 1)["random"]
        given = evaluation.lifted(occurrence.inputs[0])
        made = candidates(given, evaluation.programs.floats, 0)
        outcomes = [
            evaluation.at(c.arrays, weights) for c in made if c.label in _ORDINARY
        ]
        self._judge.learn([outcome for outcome in outcomes if outcome.defined])

    def trial(
        self, inputs: Sequence[Any], weights: Sequence[np.ndarray]
    ) -> "Trial | None":
        """The inputs, rounded to their dtypes, if the rule is found wrong there."""
        avals, types = self.evaluation.avals, self.evaluation.types
        narrow = [_rounded(x, a) for x, a in zip(inputs, avals, strict=True)]
        if self.sought.cotangent == "zero":
            weights = zeros(types)
        kept = [_rounded(w, t) for w, t in zip(weights, types, strict=True)]
        finding = self._finding(list(map(wide, narrow)), list(map(wide, kept)))
        return None if finding is None else Trial(self, narrow, kept, finding)

    def _finding(self, inputs: list[Any], weights: list[Any]) -> Finding | None:
        outcome = self.evaluation.at(inputs, weights)
        if not outcome.defined:
            return None
        # no reason to expect no kink: without a slope nothing is called wrong
        plain = not self.evaluation.numerical
        candidate = Candidate("smallest", inputs, smooth=plain)
        if self.sought.argument == "output":
            return self._value(outcome)
        if self.sought.cotangent == "zero":
            return self._of_zero(inputs)
        found = self._judge.findings(candidate, "random", weights, outcome)
        if self.sought.verdict == BOTH_WRONG and not found:
            both = self._judge.both(candidate, weights, outcome)
            found = [] if both is None else [both]
        same = (f for f in found if f.argument == self.sought.argument)
        return next((f for f in same if fails(f.verdict)), None)

    def numerical(self, trial: "Trial") -> str:
        """The slope along the entry shown, or along the others that were asked."""
        finding = trial.finding
        if not finding.numerical:
            return ""
        inputs, weights = list(map(wide, trial.inputs)), list(map(wide, trial.weights))
        i = self.names.index(finding.argument)
        one = replaced(np.zeros_like(inputs[i]), finding.entry, 1.0)
        slopes = self.evaluation.slopes(inputs, weights, {i: one})
        alone = f"{slopes.central:.6g}"
        if slopes.kink:
            alone = f"{slopes.left:.6g} from below, {slopes.right:.6g} from above"
        if finding.verdict == BOTH_WRONG or alone == finding.numerical:
            return alone
        return f"{finding.numerical} along several entries"

    def _value(self, outcome: Outcome) -> Finding | None:
        tolerance = self.evaluation.value_tolerance
        pairs = [(outcome.forward, outcome.value), (outcome.value, outcome.declared)]
        for by_rule, without in pairs[:1] if self._surrogate else pairs:
            for value, other in zip(by_rule, without):
                apart = difference(value, other, tolerance, 1e-30)
                if apart is not None:
                    at = value[apart.entry].item(), other[apart.entry].item()
                    return self._found(apart.entry, *at, apart.relative)
        return None

    def _of_zero(self, inputs: list[Any]) -> Finding | None:
        outcome = self.evaluation.at(inputs, zeros(self.evaluation.types))
        for i, manual in zip(self.evaluation.programs.floats, outcome.manual):
            if self.names[i] == self.sought.argument and manual.any():
                entry = tuple(map(int, np.argwhere(manual)[0]))
                return self._found(entry, manual[entry].item(), 0.0, 1.0)
        return None

    def _found(
        self, entry: tuple[int, ...], manual: Any, automatic: Any, relative: float
    ) -> Finding:
        """What is sought, found here."""
        return Finding(
            RULE_WRONG,
            self.sought.argument,
            "smallest",
            self.sought.cotangent,
            entry,
            manual,
            automatic,
            "",
            relative,
            self.sought.reason,
        )


class Trial(NamedTuple):
    """Inputs and a cotangent with which a rule is found wrong."""

    court: Court
    inputs: list[Any]
    weights: list[Any]
    finding: Finding

    def changed(self, name: str, i: int, value: Any) -> "Trial | None":
        """With another array among its inputs or weights, if that shows it too."""
        values = [*getattr(self, name)]
        values[i] = value
        given = {"inputs": self.inputs, "weights": self.weights} | {name: values}
        return self.court.trial(**given)


def _rounded(x: Any, aval: Any) -> Any:
    if jnp.issubdtype(aval.dtype, jax.dtypes.extended):
        return x
    return np.asarray(x).astype(aval.dtype)
