"""What the machine can do: large matrix products, and memory."""

import jax
import jax.numpy as jnp

from benchmarks.steps._protocol import Looped, Trainer
from benchmarks.steps._workloads import MEMORY_NUMBERS, PRODUCT_SIDE, Workload


def product(workload: Workload) -> Trainer:
    """One product of square matrices a step."""
    a = jax.random.normal(jax.random.key(0), (PRODUCT_SIDE, PRODUCT_SIDE))
    a = a / PRODUCT_SIDE**0.5

    def step(x: jax.Array, a: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = x @ a
        return y, y[0, 0]

    return Looped(jax.jit(step), (a,), (a,), 0)


def memory(workload: Workload) -> Trainer:
    """One pass over a large array a step, which is written where it was read."""

    def step(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = x + 1
        return y, y[0]

    return Looped(jax.jit(step, donate_argnums=0), (jnp.zeros(MEMORY_NUMBERS),), (), 0)
