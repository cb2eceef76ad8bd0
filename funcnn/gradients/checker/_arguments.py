"""A function of any arguments as one of arrays."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients._structures import leaf_names


class OfArrays(NamedTuple):
    """A function with its arguments, of which only the arrays are given again.

    Attributes:
      function: of the arrays.
      arrays: those among the arguments, Python's floats too.
      names: what they are called.
    """

    function: Callable[..., Any]
    arrays: list[Any]
    names: list[str]


def of_arrays(tool: str, f: Callable[..., Any], args: tuple[Any, ...]) -> OfArrays:
    """Keeps everything that is no array, such as ``train=True``, as it is.

    Raises:
      TypeError: when `f` cannot be called, or inside of `jit`, `vmap` or `grad`,
        where there are no values.
    """
    if not callable(f):
        raise TypeError(f"{tool} needs a function, got {type(f).__name__}")
    leaves, tree = jax.tree.flatten(args)
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        raise TypeError(f"{tool} needs values: it cannot run inside jit, vmap or grad")
    chosen = [is_array(leaf) for leaf in leaves]

    def function(*arrays: Any) -> Any:
        given = iter(arrays)
        mixed = [next(given) if yes else x for yes, x in zip(chosen, leaves)]
        return f(*jax.tree.unflatten(tree, mixed))

    pairs = zip(leaf_names(f, args), leaves, chosen, strict=True)
    named = [(name, jnp.asarray(leaf)) for name, leaf, yes in pairs if yes]
    return OfArrays(function, [a for _, a in named], [n for n, _ in named])


def is_array(leaf: Any) -> bool:
    """Whether `of_arrays` gives it as an array."""
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.dtype.kind in "biufcV"  # no text and no objects
    return isinstance(leaf, jax.Array | float | complex)
