"""Affine layers."""

import dataclasses

import jax
from jax.nn import initializers

from funcnn.errors import ShapeError
from funcnn.layers._layer import Initializer, Layer, Params, State, parameter_dtype
from funcnn.ops import affine, binary_affine


@dataclasses.dataclass(frozen=True, repr=False)
class Dense(Layer):
    """x @ kernel + bias over the last axis: (..., n) -> (..., features).

    Parameters: kernel (n, features) and, with `use_bias`, bias (features,).
    The kernel is drawn with `jax.nn.initializers.lecun_normal` (variance 1/n, which
    keeps the variance of the input), the bias is 0, unless initializers are given.
    """

    features: int
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        kernel = dense_kernel(self.kernel_init, key, x, self.features)
        if not self.use_bias:
            return {"kernel": kernel}, ()
        draw = self.bias_init or initializers.zeros
        bias = draw(jax.random.fold_in(key, 1), (self.features,), kernel.dtype)
        return {"kernel": kernel, "bias": bias}, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`affine` of x."""
        return affine(x, params["kernel"], params.get("bias")), state


@dataclasses.dataclass(frozen=True, repr=False)
class BinaryDense(Layer):
    """x @ (mean |kernel| sign(kernel)), XNOR-Net's layer, without bias.

    Shapes: (..., n) -> (..., features). Parameters: kernel (n, features), drawn as
    that of `Dense`. The gradient is that of `binary_affine`, whose `clip` this is.
    """

    features: int
    clip: float = 1.0
    kernel_init: Initializer | None = None

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        return {"kernel": dense_kernel(self.kernel_init, key, x, self.features)}, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`binary_affine` of x."""
        return binary_affine(x, params["kernel"], clip=self.clip), state


def dense_kernel(
    draw: Initializer | None,
    key: jax.Array,
    x: jax.Array | jax.ShapeDtypeStruct,
    features: int,
) -> jax.Array:
    """A kernel (n, features) for inputs (..., n)."""
    if not x.shape:
        raise ShapeError(f"needs x of shape (..., n), got {x.shape}")
    draw = draw or initializers.lecun_normal()
    shape = (x.shape[-1], features)
    return draw(jax.random.fold_in(key, 0), shape, parameter_dtype(x))
