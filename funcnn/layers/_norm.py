"""Normalization layers."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from funcnn.errors import LayerError, ShapeError
from funcnn.layers._conv import hashable
from funcnn.layers._layer import Layer, Params, State, parameter_dtype
from funcnn.ops import (
    batch_norm,
    batch_norm_inference,
    group_norm,
    instance_norm,
    layer_norm,
    moments,
    rms_norm,
)


@dataclasses.dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """`funcnn.ops.layer_norm` over the last axis: (..., n) -> (..., n).

    Parameters: scale (n,), of ones, and bias (n,), of zeros.
    """

    eps: float = 1e-5

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        return scale_and_bias(x, axes=1), ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`layer_norm` of x."""
        return layer_norm(x, params["scale"], params["bias"], eps=self.eps), state


@dataclasses.dataclass(frozen=True, repr=False)
class RMSNorm(Layer):
    """`funcnn.ops.rms_norm` over the last axis: (..., n) -> (..., n).

    Parameters: scale (n,), of ones.
    """

    eps: float = 1e-6

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        return {"scale": scale_and_bias(x, axes=1)["scale"]}, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`rms_norm` of x."""
        return rms_norm(x, params["scale"], eps=self.eps), state


@dataclasses.dataclass(frozen=True, repr=False)
class GroupNorm(Layer):
    """`funcnn.ops.group_norm`, over groups of channels and all axes but the first.

    Shapes: (batch, ..., c) -> (batch, ..., c), `groups` being a divisor of c.
    Parameters: scale (c,), of ones, and bias (c,), of zeros.
    """

    groups: int
    eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise LayerError(
                f"groups must be 1 or more, got {self.groups}", "GroupNorm"
            )

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        params = scale_and_bias(x, axes=2)
        if x.shape[-1] % self.groups:
            raise ShapeError(
                f"groups={self.groups} must divide the channels of {x.shape}"
            )
        return params, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`group_norm` of x."""
        scale, bias = params["scale"], params["bias"]
        return group_norm(x, scale, bias, self.groups, eps=self.eps), state


@dataclasses.dataclass(frozen=True, repr=False)
class InstanceNorm(Layer):
    """`funcnn.ops.instance_norm`, over all axes but the first and the last.

    Shapes: (batch, ..., c) -> (batch, ..., c).
    Parameters: scale (c,), of ones, and bias (c,), of zeros.
    """

    eps: float = 1e-5

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        return scale_and_bias(x, axes=2), ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`instance_norm` of x."""
        return instance_norm(x, params["scale"], params["bias"], eps=self.eps), state


@dataclasses.dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Batch normalization: (..., c) -> (..., c), statistics over all axes but the last.

    In training it takes the statistics of the batch and moves the stored ones
    towards them, stored = momentum * stored + (1 - momentum) * batch; otherwise it
    uses the stored ones. As in Flax, the variance is the biased one in both.
    Inside `jax.shard_map` or `jax.vmap`, `axis_name` names the axis, or axes, over
    which the batch is split: the statistics are then those of all of it. Under
    `jax.jit` alone, on a mesh too, they are anyway.
    Parameters: scale (c,), of ones, and bias (c,), of zeros.
    State: mean (c,), of zeros, and var (c,), of ones, in float32 or wider.
    """

    momentum: float = 0.99
    eps: float = 1e-5
    axis_name: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        hashable(self, "axis_name")

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters and statistics for inputs shaped like `x`."""
        params = scale_and_bias(x, axes=2)
        dtype = jnp.promote_types(params["scale"].dtype, jnp.float32)
        shape = x.shape[-1:]
        return params, {"mean": jnp.zeros(shape, dtype), "var": jnp.ones(shape, dtype)}

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`batch_norm` of x in training, else `batch_norm_inference`."""
        if not isinstance(state, dict) or state.keys() != {"mean", "var"}:
            raise LayerError(f"needs a state with mean and var, got {state!r}")
        scale, bias = params["scale"], params["bias"]
        if not train:
            mean, var = state["mean"], state["var"]
            return batch_norm_inference(x, scale, bias, mean, var, eps=self.eps), state
        if self.axis_name is None:
            y, mean, var = batch_norm(x, scale, bias, eps=self.eps)
        else:
            mean, var = _moments_over(x, self.axis_name)
            y = batch_norm_inference(x, scale, bias, mean, var, eps=self.eps)
        # Statistics are state and no output: nothing is ever differentiated by them.
        batch = jax.lax.stop_gradient({"mean": mean, "var": var})
        m = self.momentum
        mix = lambda old, new: (m * old + (1 - m) * new).astype(old.dtype)  # noqa: E731
        return y, jax.tree.map(mix, state, batch)


def _moments_over(
    x: jax.Array, axis_name: str | Sequence[str]
) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of a batch of which each device has an equal part.

    With m and v those of a part, and M and V of all, M = <m> and V = <v + (m - M)^2>,
    <.> being the mean over the parts, to which JAX knows the gradient.
    """
    own_mean, own_var = moments(x)
    mean = jax.lax.pmean(own_mean, axis_name)
    return mean, jax.lax.pmean(own_var + (own_mean - mean) ** 2, axis_name)


def scale_and_bias(x: jax.Array | jax.ShapeDtypeStruct, axes: int) -> Params:
    """A scale of ones and a bias of zeros for the last of at least `axes` axes."""
    if len(x.shape) < axes:
        needed = "(..., n)" if axes == 1 else "(batch, ..., channels)"
        raise ShapeError(f"needs x of shape {needed}, got {x.shape}")
    shape, dtype = x.shape[-1:], parameter_dtype(x)
    return {"scale": jnp.ones(shape, dtype), "bias": jnp.zeros(shape, dtype)}
