"""Layers around a layer, whose kernel they normalize."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from funcnn.errors import LayerError
from funcnn.layers._layer import Layer, Params, State, check_part
from funcnn.ops import spectral_norm, weight_norm


@dataclasses.dataclass(frozen=True, repr=False)
class WeightNorm(Layer):
    """A layer such as `Dense` or `Conv`, the lengths of its kernel's features apart.

    The layer gets `funcnn.ops.weight_norm` of kernel and scale as its kernel.
    Parameters: those of the layer, and scale (features,), which starts as the lengths
    of the kernel that was drawn, so that at first the layer does what it would alone.
    """

    layer: Any

    def __post_init__(self) -> None:
        check_part("WeightNorm", self.layer)

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The layer's parameters for inputs shaped like `x`, and scale."""
        params = _with_kernel(*self.layer.init(key, x))
        if "scale" in params:
            raise LayerError("the layer has a parameter named scale itself")
        kernel = params["kernel"]
        wide = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32))
        lengths = jnp.sqrt(jnp.square(wide).sum(tuple(range(kernel.ndim - 1))))
        return {**params, "scale": lengths.astype(kernel.dtype)}, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """The layer of x, with the normalized kernel."""
        own = {name: leaf for name, leaf in params.items() if name != "scale"}
        own["kernel"] = weight_norm(params["kernel"], params["scale"])
        return self.layer.apply(own, state, x, key=key, train=train)


@dataclasses.dataclass(frozen=True, repr=False)
class SpectralNorm(Layer):
    """A layer such as `Dense` or `Conv`, its kernel divided by its singular value.

    The layer gets `funcnn.ops.spectral_norm` of its kernel. In training `n_steps` of
    power iteration move u; otherwise the stored one says what the singular value is.
    Parameters: those of the layer.
    State: u (features,), drawn on the unit sphere, in float32 or wider.
    """

    layer: Any
    n_steps: int = 1

    def __post_init__(self) -> None:
        check_part("SpectralNorm", self.layer)
        if self.n_steps < 1:
            raise LayerError(f"needs n_steps >= 1, got {self.n_steps}", "SpectralNorm")

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The layer's parameters for inputs shaped like `x`, and u."""
        params = _with_kernel(*self.layer.init(jax.random.fold_in(key, 0), x))
        kernel = params["kernel"]
        dtype = jnp.promote_types(kernel.dtype, jnp.float32)
        u = jax.random.normal(jax.random.fold_in(key, 1), kernel.shape[-1:], dtype)
        return params, {"u": u / jnp.sqrt(jnp.square(u).sum())}

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """The layer of x, with the normalized kernel; in training with another u."""
        if not isinstance(state, dict) or state.keys() != {"u"}:
            raise LayerError(f"needs a state with u, got {state!r}")
        steps = self.n_steps if train else 0
        kernel, u = spectral_norm(params["kernel"], state["u"], n_steps=steps)
        own = {**params, "kernel": kernel}
        y, _ = self.layer.apply(own, (), x, key=key, train=train)
        return y, {"u": u}


def _with_kernel(params: Params, state: State) -> Params:
    """The parameters of a layer with a kernel and without state."""
    if not isinstance(params, dict) or "kernel" not in params or jax.tree.leaves(state):
        raise LayerError(
            "needs a layer with a kernel of its own and without state, such as Dense"
        )
    return params
