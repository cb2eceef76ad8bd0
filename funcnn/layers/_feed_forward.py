"""The two products that a transformer has after its attention."""

import dataclasses
from collections.abc import Callable

import jax

from funcnn.errors import ShapeError
from funcnn.layers._dense import Dense
from funcnn.layers._layer import Initializer, Layer, Params, State
from funcnn.ops import affine, gelu, swiglu


@dataclasses.dataclass(frozen=True, repr=False)
class FeedForward(Layer):
    """To `hidden` features, `activation`, and back: (..., n) -> (..., n).

    Parameters: up and down, each with the kernel and, with `use_bias`, the bias of a
    `Dense`, drawn as its.
    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.3.
    """

    hidden: int
    activation: Callable[[jax.Array], jax.Array] = gelu
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        return _init(self, key, x, made=self.hidden), ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """down(activation(up(x)))."""
        return _apply(self, params, x), state


@dataclasses.dataclass(frozen=True, repr=False)
class GatedFeedForward(Layer):
    """To `hidden` values and as many gates, the gated values, and back.

    Shapes: (..., n) -> (..., n). `activation` takes the values and after them their
    gates, 2 `hidden` features, and gives `hidden`: `swiglu`, `geglu` or `glu`.
    Parameters: up, with a kernel (n, 2 hidden), and down; otherwise as those of
    `FeedForward`. Llama has the two halves of up as up_proj and gate_proj.
    Source: Shazeer (2020), arXiv:2002.05202, which has no biases either.
    """

    hidden: int
    activation: Callable[[jax.Array], jax.Array] = swiglu
    use_bias: bool = False
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        return _init(self, key, x, made=2 * self.hidden), ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """down(activation(up(x)))."""
        return _apply(self, params, x), state


def _init(
    layer: FeedForward | GatedFeedForward,
    key: jax.Array,
    x: jax.Array | jax.ShapeDtypeStruct,
    made: int,
) -> Params:
    """Up to `made` features, and down from `hidden`."""
    if not x.shape:
        raise ShapeError(f"needs x of shape (..., n), got {x.shape}")
    h = jax.ShapeDtypeStruct((*x.shape[:-1], layer.hidden), x.dtype)
    options = layer.use_bias, layer.kernel_init, layer.bias_init
    up, _ = Dense(made, *options).init(jax.random.fold_in(key, 0), x)
    down, _ = Dense(x.shape[-1], *options).init(jax.random.fold_in(key, 1), h)
    return {"up": up, "down": down}


def _apply(
    layer: FeedForward | GatedFeedForward, params: Params, x: jax.Array
) -> jax.Array:
    up, down = params["up"], params["down"]
    h = layer.activation(affine(x, up["kernel"], up.get("bias")))
    if h.shape[-1] != layer.hidden:
        raise ShapeError(
            f"needs an activation that gives {layer.hidden} features, got {h.shape}"
        )
    return affine(h, down["kernel"], down.get("bias"))
