"""A layer whose inside is computed twice and not kept."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

from funcnn.layers._layer import (
    Layer,
    Params,
    State,
    apply_part,
    check_part,
    init_part,
)


@dataclasses.dataclass(frozen=True, repr=False)
class Remat(Layer, combinator=True):
    """`layer` under `jax.checkpoint`: the backward pass makes its inside again.

    Of the layer only parameters, state and input are kept between the passes, and
    what `policy` says, one of `jax.checkpoint_policies`; the forward pass is computed
    twice. Parameters, state, draws and outputs are the layer's own, so that it can be
    put around a layer that was trained.
    Source: Chen, Xu, Zhang & Guestrin (2016), arXiv:1604.06174.
    """

    layer: Any
    policy: Callable[..., bool] | None = None

    def __post_init__(self) -> None:
        check_part("Remat", self.layer)

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layer."""
        return (self.layer,)

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The layer's parameters and state."""
        return init_part("Remat", self.layer, key, x)[:2]

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[Any, State]:
        """The layer's output and state."""

        def run(params: Params, state: State, x: jax.Array, key: Any) -> Any:
            return apply_part(
                "Remat", self.layer, params, state, x, key=key, train=train
            )

        return jax.checkpoint(run, policy=self.policy)(params, state, x, key)
