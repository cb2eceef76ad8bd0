"""Layers side by side."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

from funcnn.layers._chain import check_count
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
class Parallel(Layer, combinator=True):
    """Gives one input to all layers; gives the tuple of outputs, or `merge` of it.

    ``Parallel(Dense(3), Dense(4))`` gives a pair, and
    ``Parallel(Dense(4), Dense(4), merge=sum)`` one array. Parameters are a tuple
    with one entry per layer, and so is the state unless all of it is empty.
    """

    layers: tuple[Any, ...]
    merge: Callable[[tuple[Any, ...]], Any] | None = None

    def __init__(
        self, *layers: Any, merge: Callable[[tuple[Any, ...]], Any] | None = None
    ) -> None:
        for index, layer in enumerate(layers):
            check_part(self._place(index), layer)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "merge", merge)

    def _place(self, index: int) -> str:
        return f"{type(self).__name__}[{index}]"

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The parameters and states of all layers for inputs shaped like `x`."""
        parts = [
            init_part(self._place(index), layer, jax.random.fold_in(key, index), x)
            for index, layer in enumerate(self.layers)
        ]
        return tuple(p for p, _, _ in parts), joined([s for _, s, _ in parts])

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[Any, State]:
        """The outputs of all layers, and the states after all."""
        check_count(type(self).__name__, self.layers, params)
        outputs, states = [], []
        parts = zip(self.layers, params, split(state, len(self.layers)), strict=True)
        for index, (layer, part, old) in enumerate(parts):
            place, own = self._place(index), part_key(key, index)
            y, new = apply_part(place, layer, part, old, x, key=own, train=train)
            outputs.append(y)
            states.append(new)
        merged = tuple(outputs) if self.merge is None else self.merge(tuple(outputs))
        return merged, joined(states)

    def __repr__(self) -> str:
        """The code that builds this layer."""
        options = {} if self.merge is None else {"merge": self.merge}
        return call_code("Parallel", self.layers, options)
