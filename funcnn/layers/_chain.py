"""Layers one after the other."""

import dataclasses
from typing import Any

import jax

from funcnn.errors import LayerError
from funcnn.layers._layer import (
    Layer,
    Params,
    State,
    apply_part,
    call_code,
    check_part,
    init_part,
    joined,
    part_key,
    split,
)


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Chain(Layer, combinator=True):
    """Applies layers in order, each to the output of the one before.

    A plain function of one array is a layer without parameters:
    ``Chain(Dense(8), relu, Dense(1))``. Parameters are a tuple with one entry per
    layer, and so is the state unless all of it is empty.
    """

    layers: tuple[Any, ...]

    def __init__(self, *layers: Any) -> None:
        for index, layer in enumerate(layers):
            check_part(f"Chain[{index}]", layer)
        object.__setattr__(self, "layers", layers)

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The parameters and states of all layers for inputs shaped like `x`."""
        params, states = [], []
        for index, layer in enumerate(self.layers):
            part, state, x = init_part(
                f"Chain[{index}]", layer, jax.random.fold_in(key, index), x
            )
            params.append(part)
            states.append(state)
        return tuple(params), joined(states)

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[Any, State]:
        """The last layer's output, and the states after all."""
        check_count("Chain", self.layers, params)
        states = []
        parts = zip(self.layers, params, split(state, len(self.layers)), strict=True)
        for index, (layer, part, old) in enumerate(parts):
            place, own = f"Chain[{index}]", part_key(key, index)
            x, new = apply_part(place, layer, part, old, x, key=own, train=train)
            states.append(new)
        return x, joined(states)

    def __repr__(self) -> str:
        """The code that builds this layer."""
        return call_code("Chain", self.layers, {})


def check_count(name: str, layers: tuple[Any, ...], params: Params) -> None:
    """Raises `LayerError` unless there is an entry of `params` for each layer."""
    if not isinstance(params, tuple | list) or len(params) != len(layers):
        given = f"{len(params)}" if isinstance(params, tuple | list) else repr(params)
        raise LayerError(
            f"needs a tuple of parameters for its {len(layers)} layers, got {given}",
            name,
        )
