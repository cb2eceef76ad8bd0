"""What one correct program is, and seeded arrays for its arguments."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Example(NamedTuple):
    """A program `f(*args)` all of whose rules are right."""

    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    why: str  # it is tricky
    reference: Mapping[Any, Callable[..., Any]] | None = None


# Made in NumPy, so that an import compiles nothing.


def normal(seed, *shape, dtype=jnp.float32, shift=0):
    values = np.random.default_rng(seed).normal(size=shape) + shift
    return jnp.asarray(values.astype(dtype))


def array(*values, dtype=jnp.float32):
    return jnp.asarray(np.asarray(values).astype(dtype))


def integers(*values):
    return array(*values, dtype=jnp.int32)


def replaced(x, index, value):
    """A copy with other entries."""
    values = np.array(x)
    values[index] = value
    return jnp.asarray(values)


def reverse_rule(primal, fwd, bwd, **options):
    """A `jax.custom_vjp` in one expression; options are those of `defvjp`."""
    op = jax.custom_vjp(primal)
    op.defvjp(fwd, bwd, **options)
    return op
