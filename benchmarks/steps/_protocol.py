"""What a framework's file gives to the worker that runs it."""

from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.steps._workloads import Workload


class Trainer(Protocol):
    """A model that is being trained on one batch."""

    parameters: int

    def steps(self, number: int) -> float:
        """Does that many steps, waits for the last, and gives its loss."""


Build = Callable[[Workload], Trainer]


class Looped:
    """A trainer out of ``step(*carry, *batch) -> (*carry, loss)``.

    The losses are not looked at before the last, as in training, so that where the
    framework works ahead it may.
    """

    def __init__(
        self,
        step: Callable[..., tuple[Any, ...]],
        carry: tuple[Any, ...],
        batch: tuple[Any, ...],
        parameters: int,
    ) -> None:
        self.parameters = parameters
        self._step, self._carry, self._batch = step, carry, batch

    def steps(self, number: int) -> float:
        """Does that many steps, waits for the last, and gives its loss."""
        for _ in range(number):
            *carry, loss = self._step(*self._carry, *self._batch)
            self._carry = tuple(carry)
        return float(loss)
