"""What was measured, and what follows from it."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from benchmarks.steps._frameworks import FRAMEWORKS, OURS, TORCH, Framework
from benchmarks.steps._workloads import MEMORY_BYTES, PRODUCT_FLOPS, Workload


@dataclasses.dataclass
class Measured:
    """One competitor on one workload.

    Attributes:
      framework: which.
      parameters: how many numbers it trains.
      losses: of its first steps.
      seconds: of a step, from each round.
      problem: why there is nothing more, if so.
    """

    framework: Framework
    parameters: int = 0
    losses: list[float] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    problem: str | None = None

    @property
    def median(self) -> float:
        """Seconds of a step, in the middle round."""
        return float(np.median(self.seconds))

    @property
    def quartiles(self) -> tuple[float, float]:
        """Seconds of a step, between which half of the rounds are."""
        low, high = np.percentile(self.seconds, [25, 75])
        return float(low), float(high)


@dataclasses.dataclass
class Result:
    """All competitors on one workload, with the machine's ceilings meanwhile."""

    workload: Workload
    entries: dict[str, Measured] = dataclasses.field(default_factory=dict)
    product: Measured | None = None
    memory: Measured | None = None

    @property
    def timed(self) -> dict[str, Measured]:
        """The competitors of which there is a time."""
        return {name: entry for name, entry in self.entries.items() if entry.seconds}

    @property
    def product_speed(self) -> float | None:
        """FLOPs a second of a large matrix product."""
        return _speed(self.product, PRODUCT_FLOPS)

    @property
    def memory_speed(self) -> float | None:
        """Bytes a second."""
        return _speed(self.memory, MEMORY_BYTES)

    @property
    def floor(self) -> float | None:
        """Seconds that the products of a step take at that speed."""
        speed = self.product_speed
        return self.workload.flops / speed if speed else None

    def ratio(self, over: str, under: str = OURS) -> float | None:
        """The time of one over that of another: the median of the rounds' ratios."""
        if not {over, under} <= self.timed.keys():
            return None
        both = zip(self.entries[over].seconds, self.entries[under].seconds)
        return float(np.median([a / b for a, b in both]))

    @property
    def best_on_jax(self) -> str | None:
        """The fastest other JAX library."""
        others = {n: e.median for n, e in self.timed.items() if e.framework.on_jax}
        return min(others, key=others.__getitem__) if others else None

    @property
    def of_torch(self) -> float | None:
        """The time of funcnn over that of PyTorch."""
        return self.ratio(OURS, TORCH)

    @property
    def of_best_on_jax(self) -> float | None:
        """The time of funcnn over that of the fastest other JAX library."""
        return self.ratio(OURS, self.best_on_jax) if self.best_on_jax else None

    def doubts(self) -> list[str]:
        """Why the competitors may not do the same: empty if they do."""
        learning = {n: e for n, e in self.entries.items() if e.losses}
        doubts = [
            f"{self.workload.name}: the loss of {name} did not fall"
            for name, entry in learning.items()
            if not entry.losses[-1] < entry.losses[0]
        ]
        ends = [entry.losses[-1] for entry in learning.values()]
        if ends and not max(ends) <= self.workload.loss_factor * min(ends):
            doubts.append(f"{self.workload.name}: the losses do not fall alike")
        wanted = self.workload.parameters
        return doubts + [
            f"{self.workload.name}: {name} has {entry.parameters:,} parameters, "
            f"not {wanted:,}"
            for name, entry in learning.items()
            if abs(entry.parameters - wanted) > wanted / 100
        ]


def _speed(measured: Measured | None, work: float) -> float | None:
    return work / measured.median if measured and measured.seconds else None


def chosen(names: Iterable[str]) -> list[Framework]:
    """The frameworks of those names, ours always among them and first."""
    named = set(names)
    return [f for name, f in FRAMEWORKS.items() if name in named or name == OURS]
