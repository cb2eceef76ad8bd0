"""Rules that a program has differentiated itself, so that none is left to look at."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcnn import _jax
from funcnn.gradients.checker._marks import Declared, Marked
from funcnn.gradients.checker._occurrence import Occurrence, occurrences
from funcnn.gradients.checker._witnesses import is_inexact


def consumed_occurrences(
    calls: list[Marked], declared: Declared
) -> Iterator[Occurrence | tuple[Marked, BaseException]]:
    """Each such rule, called alone, at random inputs of the types it was called with.

    The values that reached it are not to be had any more. A call that cannot be made
    again is given with what it raised.
    """
    seen = set()
    for call in calls:
        function, arrays = _alone(call)
        if not _is_defined(function, arrays):
            positive = [jnp.abs(x) if is_inexact(x.dtype) else x for x in arrays]
            arrays = positive if _is_defined(function, positive) else arrays
        key = (id(call.custom), *((a.shape, str(a.dtype)) for a in arrays))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = occurrences(function, arrays, declared)
        except Exception as error:  # of any kind: it is the rule's own
            yield call, error
            continue
        yield from (o for o in found.occurrences if o.call is not None and not o.path)


def _is_defined(function: Any, arrays: list[Any]) -> bool:
    try:
        outputs = jax.tree.leaves(jax.jit(function)(*arrays))
    except Exception:  # which the audit will meet, too
        return True
    finite = (np.isfinite(y).all() for y in outputs if is_inexact(jnp.result_type(y)))
    return all(finite)


def _alone(call: Marked) -> tuple[Any, list[Any]]:
    """The call as a function of its arrays, and arrays for it."""
    statics = _jax.static_positions(call.custom)
    dynamic = [a for i, a in enumerate(call.args) if i not in statics]
    leaves, tree = jax.tree.flatten((dynamic, call.keywords))
    is_array = [_type(leaf) is not None for leaf in leaves]
    rng = np.random.default_rng(0)
    arrays = [_random(_type(x), rng) for x, yes in zip(leaves, is_array) if yes]

    def function(*given: Any) -> Any:
        values = iter(given)
        mixed = [next(values) if yes else x for x, yes in zip(leaves, is_array)]
        positional, keywords = jax.tree.unflatten(tree, mixed)
        for i in statics:
            positional.insert(i, call.args[i])
        return call.custom(*positional, **keywords)

    return function, arrays


def _type(leaf: Any) -> Any:
    try:
        return jax.typeof(leaf)
    except TypeError:
        return None


def _random(type_: Any, rng: np.random.Generator) -> Any:
    shape, dtype = type_.shape, type_.dtype
    if jnp.issubdtype(dtype, jax.dtypes.extended):
        return (
            jax.random.split(jax.random.key(0), shape) if shape else jax.random.key(0)
        )
    if jnp.issubdtype(dtype, jnp.complexfloating):
        pair = rng.standard_normal((2, *shape))
        return jnp.asarray(pair[0] + 1j * pair[1], dtype)
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.asarray(rng.standard_normal(shape), dtype)
    return jnp.asarray(rng.integers(0, 2, shape), dtype)
