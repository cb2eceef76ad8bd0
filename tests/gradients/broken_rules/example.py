"""What every module of broken rules shares."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np


class Example(NamedTuple):
    """A program with a broken rule: ``f(*args)`` runs, its gradient is wrong."""

    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    why: str
    reference: Mapping[Any, Callable[..., Any]] | None = None


def normals(seed):
    """A maker of seeded normal arrays, each call giving the next ones."""
    random = np.random.default_rng(seed)

    def normal(*shape, scale=1.0, dtype=np.float32):
        return np.asarray(scale * random.standard_normal(shape), dtype)

    return normal


def reverse_rule(primal, forward, backward, **options):
    """`primal` as a jax.custom_vjp function with these two passes."""
    rule = jax.custom_vjp(primal, **options)
    rule.defvjp(forward, backward)
    return rule


def elementwise(primal, slope):
    """A reverse rule of one array whose cotangent is ``g * slope(x)``."""
    return reverse_rule(primal, lambda x: (primal(x), x), lambda x, g: (g * slope(x),))
