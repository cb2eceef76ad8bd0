"""Faults of the forward pass: its value, not its gradient, is wrong."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from funcnn.gradients.mutation._cases import Case, is_float, is_key
from funcnn.gradients.mutation._mutant import Mutant, remade
from funcnn.gradients.mutation._wrapped import on_floats, with_output, with_saved


def forward_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """Values slightly off, rounded, of another dtype, or by another random key."""
    numbers = tuple(case.number for case in cases if case.size)
    for name, change in _FAULTS.items():
        mutant = with_output(op, on_floats(change))
        yield Mutant(mutant, name, "", "forward", numbers)


def key_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """Forward and backward pass draw from different random keys."""
    numbers = tuple(
        case.number for case in cases if any(map(is_key, jax.tree.leaves(case.arrays)))
    )
    if not numbers:
        return

    def forward(*args: Any) -> tuple[Any, Any]:
        other = tuple(_other_keys(arg) for arg in args)
        return op.forward(*other)[0], op.forward(*args)[1]

    mutant = remade(op, forward=forward)
    yield Mutant(mutant, "forward draws from another key", "", "key", numbers)
    mutant = with_saved(op, _other_keys)
    yield Mutant(mutant, "backward draws from another key", "", "key", numbers)


def _other_keys(tree: Any) -> Any:
    def other(leaf: Any) -> Any:
        return jax.random.fold_in(leaf, 1) if is_key(leaf) else leaf

    return jax.tree.map(other, tree)


def index_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """Saved integers and truth values that are not those of the forward pass."""
    for name, (of_truth, least, change) in _INDEX_FAULTS.items():

        def meant(leaf: Any, of_truth: bool = of_truth, least: int = least) -> bool:
            kind = jnp.bool_ if of_truth else jnp.integer
            return (
                not is_key(leaf)
                and jnp.issubdtype(leaf.dtype, kind)
                and leaf.size >= least
            )

        numbers = tuple(
            case.number
            for case in cases
            if any(meant(leaf) for leaf in jax.tree.leaves(case.saved))
        )
        if numbers:

            def changed(tree: Any, meant: Any = meant, change: Any = change) -> Any:
                return jax.tree.map(lambda x: change(x) if meant(x) else x, tree)

            mutant = with_saved(op, changed)
            yield Mutant(mutant, name, "", "index", numbers)


def dtype_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """What is saved, or what comes in, kept in too few bits."""
    numbers = tuple(
        case.number
        for case in cases
        if any(not is_key(x) and is_float(x) for x in jax.tree.leaves(case.saved))
    )
    for dtype in (jnp.bfloat16, jnp.float32):
        name = f"saved in {jnp.dtype(dtype).name}"
        mutant = with_saved(op, on_floats(_rounded(dtype)))
        if numbers:
            yield Mutant(mutant, name, "", "dtype", numbers)


def _rounded(dtype: Any) -> Callable[[Any], Any]:
    return lambda x: x.astype(dtype).astype(x.dtype)


def _narrower(y: Any) -> Any:
    """In half of its bits, or for half precision in twice as many."""
    wide = {"float64": "float32", "float32": "bfloat16"}
    return y.astype(wide.get(y.dtype.name, "float32"))


def _last(x: Any, value: Any) -> Any:
    return x.ravel().at[-1:].set(value).reshape(x.shape)


_FAULTS: dict[str, Callable[[Any], Any]] = {
    "times 1 + 1e-3": lambda y: y * (1 + 1e-3),
    "times 1 + 1e-6": lambda y: y * (1 + 1e-6),
    "plus 1e-6": lambda y: y + 1e-6,
    "last element zero": lambda y: _last(y, 0),
    "rounded to bfloat16": _rounded(jnp.bfloat16),
    "another dtype": _narrower,
}
# The name, whether of truth values, how many entries are needed, and the change.
_INDEX_FAULTS: dict[str, tuple[bool, int, Callable[[Any], Any]]] = {
    "last index is 0": (False, 1, lambda x: _last(x, 0)),
    "indices plus 1": (False, 1, lambda x: x + 1),
    "indices rolled": (False, 2, lambda x: jnp.roll(x, 1)),
    "last of mask inverted": (True, 1, lambda x: _last(x, ~x.ravel()[-1:])),
    "mask inverted": (True, 1, lambda x: ~x),
    "mask rolled": (True, 2, lambda x: jnp.roll(x, 1)),
}
