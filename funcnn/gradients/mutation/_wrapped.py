"""Ops with something done to what goes into or comes out of their passes."""

from collections.abc import Callable
from typing import Any

import jax

from funcnn.gradients.mutation._cases import is_float, is_key
from funcnn.gradients.mutation._mutant import remade

Change = Callable[..., Any]


def with_cotangent(op: Any, order: int, change: Change) -> Any:
    """``change(cotangent, g)`` is sent to an argument, where g is what came in."""

    def backward(*args: Any) -> tuple[Any, ...]:
        return _changed(op.backward(*args), order, lambda c: change(c, args[-1]))

    return remade(op, backward=backward)


def with_cotangents(op: Any, change: Change) -> Any:
    """``change(cotangents)`` is sent to the arguments."""

    def backward(*args: Any) -> tuple[Any, ...]:
        return tuple(change(list(op.backward(*args))))

    return remade(op, backward=backward)


def with_point(op: Any, position: int, order: int, change: Change) -> Any:
    """``change(cotangent, x)`` is sent to an argument, x its value."""

    def forward(*args: Any) -> tuple[Any, Any]:
        output, saved = op.forward(*args)
        return output, (saved, args[position])

    def backward(*args: Any) -> tuple[Any, ...]:
        *statics, (saved, x), g = args
        cotangents = list(op.backward(*statics, saved, g))
        if cotangents[order] is not None:
            cotangents[order] = jax.tree.map(change, cotangents[order], x)
        return tuple(cotangents)

    return remade(op, forward=forward, backward=backward)


def with_incoming(op: Any, change: Change) -> Any:
    """``change(g)`` comes in, for the whole cotangent g of the output."""

    def backward(*args: Any) -> Any:
        *rest, g = args
        return op.backward(*rest, change(g))

    return remade(op, backward=backward)


def with_saved(op: Any, change: Change) -> Any:
    """``change(saved)`` is what the backward pass is given."""

    def backward(*args: Any) -> Any:
        *statics, saved, g = args
        return op.backward(*statics, change(saved), g)

    return remade(op, backward=backward)


def with_output(op: Any, change: Change) -> Any:
    """``change(output)`` is what the forward pass gives, with the same saved."""

    def forward(*args: Any) -> tuple[Any, Any]:
        output, saved = op.forward(*args)
        return change(output), saved

    return remade(op, forward=forward)


def on_floats(change: Change) -> Change:
    """A change of arrays as one of pytrees: of their float leaves."""
    return lambda tree: jax.tree.map(
        lambda x: change(x) if not is_key(x) and is_float(x) else x, tree
    )


def _changed(cotangents: Any, order: int, change: Change) -> tuple[Any, ...]:
    changed = list(cotangents)
    changed[order] = jax.tree.map(change, changed[order])  # None stays None
    return tuple(changed)
