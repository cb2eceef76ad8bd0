"""A layer beside a shortcut."""

import dataclasses
from typing import Any

import jax

from funcnn.errors import ShapeError
from funcnn.layers._chain import check_count
from funcnn.layers._layer import (
    Layer,
    Params,
    State,
    apply_part,
    check_part,
    init_part,
    joined,
    part_key,
    split,
)


@dataclasses.dataclass(frozen=True, repr=False)
class Residual(Layer, combinator=True):
    """layer(x) + x, or layer(x) + shortcut(x) where a shortcut is given.

    Parameters are a tuple: the layer's and, if there is one, the shortcut's.
    Source: He, Zhang, Ren & Sun (2015), arXiv:1512.03385.
    """

    layer: Any
    shortcut: Any = None

    def __post_init__(self) -> None:
        for place, layer in zip(_PLACES, self.layers):
            check_part(place, layer)

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layer and, if there is one, the shortcut."""
        return (self.layer,) if self.shortcut is None else (self.layer, self.shortcut)

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The parameters and states of both for inputs shaped like `x`."""
        parts = [
            init_part(place, layer, jax.random.fold_in(key, index), x)
            for index, (place, layer) in enumerate(zip(_PLACES, self.layers))
        ]
        params, states, outputs = zip(*parts)
        _check_sum(*outputs, x)
        return params, joined(list(states))

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """The sum of both."""
        check_count("Residual", self.layers, params)
        outputs, states = [], []
        parts = zip(_PLACES, self.layers, params, split(state, len(self.layers)))
        for index, (place, layer, part, old) in enumerate(parts):
            own = part_key(key, index)
            y, new = apply_part(place, layer, part, old, x, key=own, train=train)
            outputs.append(y)
            states.append(new)
        _check_sum(*outputs, x)
        return outputs[0] + (x if len(outputs) == 1 else outputs[1]), joined(states)


_PLACES = ("Residual", "Residual.shortcut")


def _check_sum(y: Any, shortcut: Any, *_: Any) -> None:
    if y.shape != shortcut.shape:
        raise ShapeError(
            f"the layer's output {y.shape} and the shortcut's {shortcut.shape} must "
            "have one shape; give a shortcut that makes it so",
            "Residual",
        )
