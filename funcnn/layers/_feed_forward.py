"""The two products that a transformer has after its attention."""

import dataclasses
from collections.abc import Callable

import jax

from funcnn.errors import ShapeError
from funcnn.layers._dense import Dense
from funcnn.layers._layer import Initializer, Layer, Params, State
from funcnn.ops import affine, gelu


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
        if not x.shape:
            raise ShapeError(f"needs x of shape (..., n), got {x.shape}")
        h = jax.ShapeDtypeStruct((*x.shape[:-1], self.hidden), x.dtype)
        options = self.use_bias, self.kernel_init, self.bias_init
        up, _ = Dense(self.hidden, *options).init(jax.random.fold_in(key, 0), x)
        down, _ = Dense(x.shape[-1], *options).init(jax.random.fold_in(key, 1), h)
        return {"up": up, "down": down}, ()

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
        up, down = params["up"], params["down"]
        h = self.activation(affine(x, up["kernel"], up.get("bias")))
        return affine(h, down["kernel"], down.get("bias")), state
