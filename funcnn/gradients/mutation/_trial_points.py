"""The points at which an op and its mutants are compared, generic ones first."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients._points import snapped
from funcnn.gradients._structures import structures
from funcnn.gradients.mutation._cases import Case, is_key

BEYOND = "an index out of range"
_SCALES = (1.0, 1e-3, 1e-2, 0.1, 10.0, 100.0)
_MOST_SNAPPED = 12


def trial_points(
    op: Any, case: Case, rng: np.random.Generator
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What is special about each point, and the arguments that are not static."""
    yield "as given", case.arrays
    for scale in _SCALES:
        yield f"normal, scale {scale}", _with_floats(case, _random(case, rng, scale))
    positive = [jax.tree.map(np.abs, x) for x in _random(case, rng, 1.0)]
    yield "positive", _with_floats(case, positive)
    whole = [jax.tree.map(lambda x: np.rint(2 * x), x) for x in _random(case, rng, 1.0)]
    yield "whole numbers", _with_floats(case, whole)
    zeros = [jax.tree.map(np.zeros_like, x) for x in _random(case, rng, 1.0)]
    yield "all zero", _with_floats(case, zeros)
    yield from _structured(case)
    yield from _on_boundaries(op, case)


def _random(case: Case, rng: np.random.Generator, scale: float) -> list[Any]:
    return [
        jax.tree.map(lambda x: scale * rng.standard_normal(np.shape(x)), case.args[i])
        for i in case.floats
    ]


def _with_floats(case: Case, floats: list[Any]) -> tuple[Any, ...]:
    given = dict(zip(case.floats, floats, strict=True))
    return tuple(given.get(i, case.args[i]) for i in case.positions)


def _structured(case: Case) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """One array at a time with zeros and ties; indices too."""
    leaves, tree = jax.tree.flatten(case.arrays)

    def replaced(number: int, other: Any) -> Any:
        changed = [*leaves[:number], other, *leaves[number + 1 :]]
        return jax.tree.unflatten(tree, changed)

    for number, leaf in enumerate(leaves):
        if is_key(leaf):
            continue
        for name, other in structures(np.asarray(leaf)):
            yield name.format(f"array {number}"), replaced(number, other)
        if jnp.issubdtype(leaf.dtype, jnp.signedinteger) and leaf.size:
            for index in (-1, min(1000, int(jnp.iinfo(leaf.dtype).max))):
                other = np.array(leaf)
                other.flat[0] = index
                yield BEYOND, replaced(number, other)


def _on_boundaries(op: Any, case: Case) -> Iterator[tuple[str, tuple[Any, ...]]]:
    ones = jax.tree.map(lambda y: jnp.ones(y.shape, y.dtype), case.output)

    def gradient(*arrays: Any) -> Any:
        return case.pullback(op, arrays)[1](ones)

    def value(*arrays: Any) -> Any:
        return op.reference(*case.full(arrays))

    if case.floats:
        for f in (value, gradient):
            for point in snapped(f, case.arrays, _MOST_SNAPPED):
                yield point.label, point.args
