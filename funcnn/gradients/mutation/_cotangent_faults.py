"""Faults in how the cotangent that comes in is used."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from funcnn.gradients.mutation._cases import Case
from funcnn.gradients.mutation._mutant import Mutant
from funcnn.gradients.mutation._wrapped import on_floats, with_incoming


def cotangent_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """Cotangents taken for others, as they are for a loss that is a plain sum."""
    for name, (least, change) in _FAULTS.items():
        numbers = tuple(
            case.number
            for case in cases
            if max((leaf.size for leaf in jax.tree.leaves(case.output)), default=0)
            >= least
        )
        if numbers:
            mutant = with_incoming(op, on_floats(change))
            yield Mutant(mutant, name, "", "cotangent", numbers)
    yield from _dropped_outputs(op, cases)


def _dropped_outputs(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    most = max((len(jax.tree.leaves(case.output)) for case in cases), default=0)
    for number in range(most) if most > 1 else ():

        def dropped(g: Any, number: int = number) -> Any:
            leaves, tree = jax.tree.flatten(g)
            if number < len(leaves):
                leaves[number] = jnp.zeros_like(leaves[number])
            return jax.tree.unflatten(tree, leaves)

        numbers = tuple(case.number for case in cases if case.size)
        name = f"output {number} ignored"
        yield Mutant(with_incoming(op, dropped), name, "", "cotangent", numbers)


def _first_for_all(g: Any) -> Any:
    return jnp.full_like(g, g.ravel()[0]) if g.size else g


# The name, how many entries the output needs, and the change.
_FAULTS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "ones": (1, jnp.ones_like),
    "first element for all": (2, _first_for_all),
    "mean for all": (2, lambda g: jnp.full_like(g, g.mean()) if g.size else g),
    "absolute value": (1, jnp.abs),
    "times its absolute value": (1, lambda g: g * jnp.abs(g)),
    "clipped to 1": (1, lambda g: jnp.clip(g, -1, 1)),
    "batch flipped": (2, lambda g: jnp.flip(g, 0) if g.ndim else g),
    "last element zero": (
        1,
        lambda g: g.ravel().at[-1:].set(0).reshape(g.shape),
    ),
}
