"""The smallest input that shows a failure, as text that can be pasted."""

import re
from typing import Any, NamedTuple

from funcnn.gradients.checker._shrink_call import Call
from funcnn.gradients.checker._shrink_judge import Trial
from funcnn.gradients.checker._shrink_values import text_of


class Smallest(NamedTuple):
    """An input at which a rule is wrong, and what is said of its derivative there.

    Attributes:
      arguments: each as a line that can be pasted.
      cotangent: of the outputs, as expressions.
      argument: whose cotangent is wrong.
      entry: the indices of the worst entry.
      manual: what the rule gives there.
      automatic: what automatic differentiation gives there.
      numerical: the slope of the function, or both at a kink.
      verdict: a word of `funcnn.gradients._verdicts`.
    """

    arguments: tuple[str, ...]
    cotangent: tuple[str, ...]
    argument: str
    entry: tuple[int, ...]
    manual: Any
    automatic: Any
    numerical: str
    verdict: str

    def __str__(self) -> str:
        """The arguments and the cotangent, each a line, and what is wrong there."""
        entry = str(list(self.entry)) if self.entry else ""
        where, other = f"{_variable(self.argument)}{entry}", "automatic"
        lines = list(self.arguments)
        if self.argument == "output":
            other = "without it"
        else:
            where = f"d/d {where}"
            lines.append(f"cotangent = {', '.join(self.cotangent)}")
        said = f"{where} is {_number(self.manual)} by the rule"
        said += f", {other} {_number(self.automatic)}"
        said += f", numerical {self.numerical}" if self.numerical else ""
        return "\n".join([*lines, f"{self.verdict}: {said}"])


def result(call: Call, trial: Trial) -> Smallest:
    """The texts of a trial.

    Raises:
      ValueError: when an array is too large to be written.
    """
    finding, court = trial.finding, trial.court
    names = court.names[call.constants :]
    arrays = trial.inputs[call.constants :]
    lines = [f"{_variable(n)} = {text_of(x)}" for n, x in zip(names, arrays)]
    statics = {name: repr(value) for name, value in call.statics.items()}
    # the address of a function says nothing
    lines += [f"{k} = {v}" for k, v in statics.items() if "<" not in v]
    return Smallest(
        tuple(lines),
        tuple(map(text_of, trial.weights)),
        finding.argument,
        finding.entry,
        finding.manual,
        finding.automatic,
        trial.court.numerical(trial),
        finding.verdict,
    )


def _variable(name: str) -> str:
    """A name that can be assigned to."""
    return re.sub(r"\W+", "_", name).strip("_")


def _number(value: Any) -> str:
    return f"{value + 0:.6g}"  # no minus before a 0
