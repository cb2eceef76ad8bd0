"""Functions of any arguments as programs of arrays."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Program(NamedTuple):
    """A traced function, and the arrays to run it at.

    Attributes:
      jaxpr: the closed program; its first output is the first that `f` gave.
      arrays: its inputs.
      names: theirs, such as ``argument 0.kernel``.
      traced: for every leaf of the arguments, whether it is one of them.
      tree: the structure of the arguments.
    """

    jaxpr: Any
    arrays: list[Any]
    names: list[str]
    traced: list[bool]
    tree: Any


def traced_program(
    name: str, f: Callable[..., Any], args: tuple[Any, ...], *, all_outputs: bool
) -> Program:
    """Traces `f`; arrays and Python's floats are inputs, the rest stays what it is.

    Args:
      name: the tool, for the error.
      f: the function.
      args: its arguments.
      all_outputs: whether all arrays that `f` gives are outputs, or only the first
        one, or of a tuple its first item.

    Raises:
      TypeError: inside of `jit`, `vmap` or `grad`, where there are no values.
    """
    leaves, tree = jax.tree.flatten(args)
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        raise TypeError(f"{name} needs values: it cannot run inside jit, vmap or grad")
    traced = [_is_array(leaf) for leaf in leaves]

    def of_arrays(*arrays: Any) -> list[Any]:
        given = iter(arrays)
        mixed = [next(given) if t else leaf for t, leaf in zip(traced, leaves)]
        output = f(*jax.tree.unflatten(tree, mixed))
        if not all_outputs and isinstance(output, tuple):
            output = output[0]
        return [leaf for leaf in jax.tree.leaves(output) if _is_array(leaf)]

    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(args)]
    names = [
        f"argument {jax.tree_util.keystr(p, simple=True, separator='.')}" for p in paths
    ]
    arrays = [jnp.asarray(leaf) for leaf, t in zip(leaves, traced) if t]
    names = [name for name, t in zip(names, traced) if t]
    return Program(jax.make_jaxpr(of_arrays)(*arrays), arrays, names, traced, tree)


def _is_array(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.dtype.kind in "biufcV"  # no text and no objects
    return isinstance(leaf, jax.Array | float | complex)
