"""Layers that are functions of their input alone."""

import jax

from funcnn.layers._layer import Layer, Params, State


class FunctionLayer(Layer):
    """A layer without parameters, state and chance: a subclass has `output`."""

    def output(self, x: jax.Array) -> jax.Array:
        """What the layer makes of `x`."""
        raise NotImplementedError

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`output` of x."""
        return self.output(x), state
