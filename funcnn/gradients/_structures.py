"""Arrays made special: zeros and ties, by name."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np


def structures(leaf: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Changes of an array to zeros and ties, and what each is called.

    The name has braces in place of the array's own. An empty array has none.
    """
    if not leaf.size:
        return
    yield "{} = 0", np.zeros_like(leaf)
    if leaf.ndim == 0:
        return
    other, first = leaf.copy(), (0,) * leaf.ndim
    other[first] = 0
    index = ", ".join(map(str, first))
    yield f"{{}}[{index}] = 0", other
    if leaf.shape[-1] > 1:
        other, second = leaf.copy(), (*first[:-1], 1)
        other[second] = other[first]
        yield f"{{0}}[{', '.join(map(str, second))}] = {{0}}[{index}]", other
        yield "{} equal along its last axis", _spread(leaf, leaf[..., :1])
    yield "{} all equal", _spread(leaf, leaf[first])


def _spread(leaf: np.ndarray, values: Any) -> np.ndarray:
    return np.broadcast_to(values, leaf.shape).astype(leaf.dtype)


def leaf_names(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """What to call each leaf: by the parameters of `f`, as ``params['w']``."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    names = [*plain, *(f"args[{i}]" for i in range(len(plain), len(args)))]
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(args)]
    return [names[p[0].idx] + jax.tree_util.keystr(p[1:]) for p in paths]
