"""Functions that are arguments of ops: what they close over, and their pullbacks."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from funcnn.errors import DtypeError, ShapeError
from funcnn.ops._arguments import wide

Function = Callable[..., Any]


def with_params(op: str, /, params: Any, **arrays: Any) -> tuple[Any, ...]:
    """`params` as arrays, and the others in the common float dtype of them all.

    Raises:
      DtypeError: when a leaf of `params` is complex, or another is no real number.
    """
    own = jax.tree.map(jnp.asarray, params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(own):
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            place = jax.tree_util.keystr(path)
            raise DtypeError(f"{op}: params{place} must not be of a complex dtype")
    for name, value in arrays.items():
        given = jnp.asarray(value).dtype
        if not any(jnp.issubdtype(given, kind) for kind in (jnp.floating, jnp.integer)):
            raise DtypeError(f"{op}: {name} must be of a float dtype, got {given}")
    moving = [leaf for leaf in jax.tree.leaves(own) if is_float(leaf)]
    dtype = jnp.result_type(*moving, *arrays.values())
    if not jnp.issubdtype(dtype, jnp.floating):
        dtype = jnp.result_type(float)
    return own, *(jnp.asarray(value, dtype) for value in arrays.values())


def static_function(
    op: str, f: Function, params: Any, *args: jax.Array, like: jax.Array
) -> tuple[Function, tuple[jax.Array, ...]]:
    """`f` as a static argument of a rule, which must not close over traced arrays.

    Args:
      op: what errors call the op.
      f: a function of `params` and the other arguments.
      params: a pytree of arrays.
      *args: arrays.
      like: an array of the shape that `f` has to give.

    Returns:
      A hashable function of ``(params, closure)`` and the other arguments, and the
      traced arrays that `f` closes over.

    Raises:
      TypeError: when `f` cannot be called or hashed, or does not give one array.
      ShapeError, DtypeError: when it gives another shape, or no floats.
    """
    name = getattr(f, "__name__", type(f).__name__)
    if not callable(f):
        raise TypeError(f"{op}: needs a function, got {name}")
    given = wide_floats((params, *args))
    # a new function each time, for a program of the old one may be kept
    program, output = jax.make_jaxpr(lambda *a: f(*a), return_shape=True)(*given)
    _check_output(f"{op}: {name}", output, like)
    traced = [isinstance(c, jax.core.Tracer) for c in program.consts]
    if any(traced):
        pairs = list(zip(traced, program.consts))
        known = tuple(None if t else c for t, c in pairs)
        return _Traced(program.jaxpr, known), tuple(c for t, c in pairs if t)
    try:
        hash(f)
    except TypeError as error:
        raise TypeError(f"{op}: {name} must be hashable: {error}") from error
    return _Untraced(f), ()


def _check_output(where: str, output: Any, like: jax.Array) -> None:
    if not isinstance(output, jax.ShapeDtypeStruct):
        raise TypeError(f"{where} must give one array, got {type(output).__name__}")
    if output.shape != like.shape:
        raise ShapeError(
            f"{where} must give an array of shape {like.shape}, it gives {output.shape}"
        )
    if not is_float(output):
        raise DtypeError(f"{where} must give floats, it gives {output.dtype}")


@dataclasses.dataclass(frozen=True)
class _Untraced:
    """A function that closes over nothing that is traced."""

    f: Function

    def __call__(self, pair: Any, *args: Any) -> Any:
        return self.f(pair[0], *args)


@dataclasses.dataclass(frozen=True, eq=False)
class _Traced:
    """The program of a function, with what it closed over as an argument.

    Attributes:
      program: a jaxpr.
      consts: its constants, None for those that are traced.
    """

    program: Any
    consts: tuple[Any, ...]

    def __call__(self, pair: Any, *args: Any) -> Any:
        params, closure = pair
        given = iter(closure)
        consts = [next(given) if c is None else c for c in self.consts]
        leaves = jax.tree.leaves((params, *args))
        return jax.core.eval_jaxpr(self.program, consts, *leaves)[0]


def is_float(leaf: Any) -> bool:
    """Whether an array, or what is like one, is of a real float dtype."""
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def wide_floats(tree: Any) -> Any:
    """The float leaves in float32 or wider, the others as they are."""
    return jax.tree.map(lambda leaf: wide(leaf) if is_float(leaf) else leaf, tree)


def zeros_of_floats(tree: Any) -> Any:
    """Wide zeros like the float leaves, None for the others: cotangents that add."""
    return jax.tree.map(
        lambda leaf: jnp.zeros_like(wide(leaf)) if is_float(leaf) else None, tree
    )


def pullback(f: Function, params: Any, *args: Any) -> tuple[Any, Function]:
    """`jax.vjp` of a function by all of its arguments.

    The leaves of `params` may be of any dtype: the cotangents of those that are not
    floats are None. The other arguments are arrays of floats.
    """
    leaves, tree = jax.tree.flatten(params)
    moving = [leaf for leaf in leaves if is_float(leaf)]

    def of_floats(moving: Any, *args: Any) -> Any:
        given = iter(moving)
        whole = [next(given) if is_float(leaf) else leaf for leaf in leaves]
        return f(jax.tree.unflatten(tree, whole), *args)

    value, pull = jax.vjp(of_floats, moving, *args)

    def pulled(g: Any) -> tuple[Any, ...]:
        found, *rest = pull(g)
        given = iter(found)
        whole = [next(given) if is_float(leaf) else None for leaf in leaves]
        return jax.tree.unflatten(tree, whole), *rest

    return value, pulled
