"""Cotangents to ask a rule with."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np


def cotangents(types: Sequence[Any], seed: int) -> dict[str, list[np.ndarray]]:
    """By name; "random" comes first.

    A rule that takes the sign, clips, or uses the first entry only, shows with one of
    the others: negative and scaled, huge, small, a single entry, each output alone.
    """
    rng = np.random.default_rng(seed)
    random = [_normal(t, rng) for t in types]
    found = {
        "random": random,
        "times -7.3": [-7.3 * w for w in random],
        "huge": [1e4 * w for w in random],
        "tiny": [1e-3 * w for w in random],
        "one entry": [_one_entry(w, rng) for w in random],
    }
    if len(types) > 1:
        for k in range(len(types)):
            alone = [w if j == k else np.zeros_like(w) for j, w in enumerate(random)]
            found[f"output {k} alone"] = alone
    return found


def zeros(types: Sequence[Any]) -> list[np.ndarray]:
    """Of the same shapes."""
    return [np.zeros(t.shape, _wide(t.dtype)) for t in types]


def _normal(type_: Any, rng: np.random.Generator) -> np.ndarray:
    real = rng.standard_normal(type_.shape)
    if _wide(type_.dtype) is np.complex128:
        return real + 1j * rng.standard_normal(type_.shape)
    return np.asarray(real)


def _one_entry(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kept = np.zeros_like(weights)
    if weights.size:
        entry = np.unravel_index(rng.integers(weights.size), weights.shape)
        kept[entry] = weights[entry]
    return kept


def _wide(dtype: Any) -> Any:
    complex_ = jnp.issubdtype(dtype, jnp.complexfloating)
    return np.complex128 if complex_ else np.float64
