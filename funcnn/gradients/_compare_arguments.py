"""Which leaves of the arguments a gradient is compared for, and errors of bad input."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients.checker._arguments import is_array

_TOOL = "compare_gradients"


def chosen(
    f: Callable[..., Any], args: tuple[Any, ...], argnums: int | Sequence[int]
) -> list[tuple[str, int]]:
    """The path of each leaf to differentiate by, and its place among the arrays.

    Raises:
      TypeError: when a leaf is no array of floats, or `argnums` are no whole numbers.
      ValueError: when there is no such argument.
    """
    several = not isinstance(argnums, int)
    numbers = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)
    count, found = len(args), []
    for position, number in enumerate(numbers):
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise TypeError(f"{_TOOL}: argnums must be whole numbers, got {argnums!r}")
        if not -count <= number < count:
            raise ValueError(
                f"{_TOOL}: argnums {number} is out of range: "
                f"{count} argument{'s' * (count != 1)} given"
            )
        before = sum(map(is_array, jax.tree.leaves(args[: number % count])))
        leaves = jax.tree_util.tree_leaves_with_path(args[number])
        for place, (path, leaf) in enumerate(leaves, before):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            _check(leaf, number % count, name)
            start = str(position) if several else ""
            text = ".".join(filter(None, (start, name)))
            found.append((text or _parameter(f, number % count), place))
    return found


def scalar_of(output: Any, f: Callable[..., Any]) -> Any:
    """The output, or the first of a tuple, as a float without axes.

    Raises:
      TypeError: when it is none.
    """
    first = output[0] if isinstance(output, tuple) and output else output
    try:
        given = jnp.asarray(first)
        said = jax.typeof(given).str_short()
    except (TypeError, ValueError):
        given, said = None, f"a {type(first).__name__}"
    if given is None or given.shape or not jnp.issubdtype(given.dtype, jnp.floating):
        name = getattr(f, "__name__", type(f).__name__)
        raise TypeError(
            f"{_TOOL} needs a function that gives a scalar of floats, or a tuple that "
            f"begins with one: {name} gave {said}"
        )
    return given


def _check(leaf: Any, number: int, name: str) -> None:
    given = getattr(leaf, "dtype", None)
    if isinstance(leaf, float) or (
        given is not None and jnp.issubdtype(given, jnp.floating)
    ):
        return
    where = f"argument {number}" + (f", leaf {name}," if name else "")
    said = type(leaf).__name__ if given is None else given
    raise TypeError(f"{_TOOL} differentiates by floats: {where} is {said}")


def _parameter(f: Callable[..., Any], number: int) -> str:
    try:
        return list(inspect.signature(f).parameters)[number]
    except (TypeError, ValueError, IndexError):
        return str(number)
