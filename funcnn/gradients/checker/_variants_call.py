"""A rule called again by itself, by way of its own code."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from funcnn import _jax
from funcnn.gradients.checker._occurrence import Occurrence


def called_again(occurrence: Occurrence) -> Callable[..., list[Any]] | None:
    """The rule's own code, called as it was; None where only its equation is left."""
    call, equation = occurrence.call, occurrence.equation
    if occurrence.region or call is None or call.keywords:
        return None
    statics = _jax.static_positions(call.custom)
    dynamic = [a for i, a in enumerate(call.args) if i not in statics]
    leaves, tree = jax.tree.flatten(dynamic)
    types = [v.aval for v in equation.invars]
    if [jnp.shape(leaf) for leaf in leaves] != [t.shape for t in types]:
        return None  # it was batched afterwards

    def again(*leaves: Any) -> list[Any]:
        whole = jax.tree.unflatten(tree, leaves)
        for i in statics:
            whole.insert(i, call.args[i])
        return jax.tree.leaves(call.custom(*whole))

    given = [jax.ShapeDtypeStruct(t.shape, t.dtype) for t in types]
    try:
        found = jax.eval_shape(again, *given)
    except Exception:  # what it was called with is of a trace that is over
        return None
    wanted = [(v.aval.shape, v.aval.dtype) for v in equation.outvars]
    return again if [(y.shape, y.dtype) for y in found] == wanted else None
