"""What the machine can do: large matrix products, and memory."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from benchmarks.steps._protocol import Trainer
from benchmarks.steps._workloads import MEMORY_NUMBERS, PRODUCT_SIDE, Workload


class _Repeated:
    """One program over its own output; any other output would have it copied."""

    parameters = 0

    def __init__(self, program: Callable[[jax.Array], jax.Array], x: jax.Array) -> None:
        self._program, self._x = jax.jit(program, donate_argnums=0), x

    def steps(self, number: int) -> float:
        """Runs it that many times, waits for the last, and gives a number of it."""
        for _ in range(number):
            self._x = self._program(self._x)
        return float(self._x[(0,) * self._x.ndim])


def product(workload: Workload) -> Trainer:
    """One product of square matrices a step."""
    shape = PRODUCT_SIDE, PRODUCT_SIDE
    x, a = jax.random.normal(jax.random.key(0), (2, *shape))
    a = a / PRODUCT_SIDE**0.5  # so that the outputs neither vanish nor overflow
    return _Repeated(lambda x: x @ a, x)


def memory(workload: Workload) -> Trainer:
    """One pass over a large array a step, which is written where it was read."""
    return _Repeated(lambda x: x + 1, jnp.zeros(MEMORY_NUMBERS))
