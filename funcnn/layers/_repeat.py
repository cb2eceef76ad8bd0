"""One layer many times, each with its own parameters."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from funcnn._jax import scan
from funcnn.errors import LayerError, ShapeError
from funcnn.layers._layer import (
    Layer,
    Params,
    State,
    apply_part,
    check_part,
    init_part,
    part_key,
    unobserved,
)


@dataclasses.dataclass(frozen=True, repr=False)
class Repeat(Layer, combinator=True):
    """Applies `layer` `count` times, as one `lax.scan` over stacked parameters.

    The program has the layer once, so that it compiles in a time that does not grow
    with depth. What it computes is ``Chain(layer, ..., layer)``, with the same draws;
    the layer's output must have its input's shape and dtype.
    Parameters and state are those of the layer, with a first axis of `count`. In a
    summary it is one row. `unroll` copies of the layer stand in one turn of the loop:
    more compile longer and may run faster. With ``Repeat(Remat(layer), n)`` only the
    inputs of the layers are kept for the backward pass.
    """

    layer: Any
    count: int
    unroll: int = 1

    def __post_init__(self) -> None:
        check_part("Repeat", self.layer)
        if self.count < 1:
            raise LayerError(f"count must be 1 or more, got {self.count}", "Repeat")

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The stacked parameters and states for inputs shaped like `x`."""

        def one(index: jax.Array) -> tuple[Params, State]:
            own = jax.random.fold_in(key, index)
            params, state, y = init_part("Repeat", self.layer, own, x)
            _check_same(y, x)
            return params, state

        return jax.vmap(one)(jnp.arange(self.count))

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """The last turn's output, and the states of all turns."""
        for leaf in jax.tree.leaves((params, state)):
            if leaf.shape[:1] != (self.count,):
                raise LayerError(
                    f"needs parameters and state with a first axis of {self.count}, "
                    f"got {leaf.shape}",
                    "Repeat",
                )

        def turn(x: jax.Array, parts: Any) -> tuple[jax.Array, State]:
            index, part, old = parts
            own = part_key(key, index)
            y, new = apply_part(
                "Repeat", self.layer, part, old, x, key=own, train=train
            )
            _check_same(y, x)
            return y, new

        parts = jnp.arange(self.count), params, state
        with unobserved():
            return scan(turn, x, parts, unroll=self.unroll)


def _check_same(y: Any, x: Any) -> None:
    if getattr(y, "shape", None) != x.shape or y.dtype != x.dtype:
        given = f"{y.dtype}{list(y.shape)}" if hasattr(y, "shape") else repr(y)
        raise ShapeError(
            f"the layer's output {given} must be as its input {x.dtype}{list(x.shape)}",
            "Repeat",
        )
