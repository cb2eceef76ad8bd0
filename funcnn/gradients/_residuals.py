"""What a differentiated program keeps from its forward to its backward pass."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np


def saved_bytes(f: Callable[..., Any], *args: Any, inputs: bool = True) -> int:
    """How many bytes `f` keeps between its forward and its backward pass.

    Nothing is run: `jax.vjp` of `f` is traced at the types of the arguments, and what
    its backward pass takes over is counted. `saved_bytes(f, x)` against
    `saved_bytes(fn.autodiff(f), x)` is the hand-written gradient against the
    automatic one.

    Args:
      f: any function that `jax.grad` or `jax.vjp` could differentiate; its output may
        be any pytree.
      *args: its arguments: arrays or `jax.ShapeDtypeStruct`, pytrees of them, and
        anything else, which is kept as it is. All floating-point arrays among them,
        and Python's floats, are differentiated. What is to stay fixed, such as a
        batch, belongs into `f` (``lambda params: loss(params, batch)``).
      inputs: whether to count, of what is kept, the arguments themselves and the
        arrays that `f` closes over too. They are alive anyway as long as their owner
        holds them, while the rest is made by the forward pass. Inside a net the
        arguments of one op are what the op before it made, so ops are compared with
        True.

    Returns:
      Bytes; 0 where no output is of floats. An array that is kept by several rules
      counts once, whether or not it is an output of `f` too. A boolean takes one byte,
      integers and keys what their dtypes take, and numbers that stand in the program
      none.

    Raises:
      TypeError: when `f` is no function, or no argument is of floats.
      Exception: what JAX raises where it cannot trace or differentiate `f`, such as
        for a branch on a value or a `while_loop`, with a note that `saved_bytes` did.

    Limits:
      - It is what JAX hands from one pass to the other. When both are compiled as one,
        under `jax.jit`, XLA may recompute part of it, keep something in another
        form, or never make what no gradient needs.
      - A copy in another shape or dtype counts beside its original.
      - `jax.checkpoint` counts by what it keeps, which are the inputs of its function.
        What is made again in the backward pass, and lives there for a while, does not
        count: the peak of the memory is higher than what is kept.
    """
    if not callable(f):
        raise TypeError(f"saved_bytes needs a function, got {type(f).__name__}")
    leaves, tree = jax.tree.flatten(args)
    traced = [_is_array(leaf) for leaf in leaves]

    def of_arrays(*arrays: Any) -> Any:
        given = iter(arrays)
        mixed = [next(given) if t else leaf for t, leaf in zip(traced, leaves)]
        return f(*jax.tree.unflatten(tree, mixed))

    types = [_type(leaf) for leaf, t in zip(leaves, traced) if t]
    floats = [i for i, t in enumerate(types) if jnp.issubdtype(t.dtype, jnp.inexact)]
    if not floats:
        given = ", ".join(map(_type_text, leaves)) or "nothing"
        raise TypeError(
            "saved_bytes needs an argument of floats to differentiate by; "
            f"{getattr(f, '__name__', type(f).__name__)} was given {given}"
        )
    try:
        return residual_bytes(of_arrays, types, floats, inputs=inputs)
    except Exception as error:  # JAX has no one kind for what it cannot trace
        error.add_note("saved_bytes: while tracing f and its gradient")
        raise


def residual_bytes(
    function: Callable[..., Any],
    types: Sequence[Any],
    floats: Sequence[int],
    *,
    inputs: bool = True,
) -> int:
    """The same of a function of arrays of the given types.

    Args:
      function: gives any pytree.
      types: of its arguments, as `jax.make_jaxpr` takes them.
      floats: the positions of the arguments that are differentiated.
      inputs: whether to count arguments and constants too.
    """

    def kept(*arrays: Any) -> list[Any]:
        def of_floats(*given: Any) -> list[Any]:
            whole = list(arrays)
            for i, x in zip(floats, given):
                whole[i] = x
            return [y for y in jax.tree.leaves(function(*whole)) if _is_float(y)]

        outputs, pull = jax.vjp(of_floats, *(arrays[i] for i in floats))
        pull(outputs)  # what has no reverse mode raises here
        return jax.tree.leaves(pull)

    program = jax.make_jaxpr(kept)(*types).jaxpr
    # one variable is one array, however often it is kept
    arrays = {v for v in program.outvars if not isinstance(v, jex.core.Literal)}
    if not inputs:
        arrays -= {*program.invars, *program.constvars}
    return sum(array_bytes(v.aval) for v in arrays)


def array_bytes(array: Any) -> int:
    """What an array of a shape and a dtype takes; none without a size of its own."""
    return math.prod(array.shape) * getattr(array.dtype, "itemsize", 0)


def _is_array(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.dtype.kind in "biufcV"  # no text and no objects
    return isinstance(leaf, jax.Array | jax.ShapeDtypeStruct | float | complex)


def _type(leaf: Any) -> Any:
    return leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf)


def _is_float(leaf: Any) -> bool:
    return _is_array(leaf) and jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def _type_text(leaf: Any) -> str:
    if not _is_array(leaf):
        return type(leaf).__name__
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
