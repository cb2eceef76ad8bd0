"""The convolutional layer."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
from jax.nn import initializers

from funcnn.errors import ShapeError
from funcnn.layers._layer import Initializer, Layer, Params, State, parameter_dtype
from funcnn.ops import conv
from funcnn.ops._convolution._windows import Padding


@dataclasses.dataclass(frozen=True, repr=False)
class Conv(Layer):
    """`conv` with its own kernel: (batch, *spatial, c) -> (batch, *output, features).

    `kernel_size` has one number per spatial axis (1 to 3); the other options are
    those of `funcnn.ops.conv`.
    Parameters: kernel (*kernel_size, c / groups, features) and, with `use_bias`,
    bias (features,). The kernel is drawn with `jax.nn.initializers.he_normal`
    (variance 2 / fan-in, for a rectifier follows), the bias is 0, unless
    initializers are given.
    """

    features: int
    kernel_size: Sequence[int]
    stride: int | Sequence[int] = 1
    padding: Padding = "SAME"
    dilation: int | Sequence[int] = 1
    groups: int = 1
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def __post_init__(self) -> None:
        if isinstance(self.kernel_size, int):
            raise TypeError(
                "Conv: kernel_size needs one number per spatial axis, such as "
                f"({self.kernel_size}, {self.kernel_size}), got {self.kernel_size}"
            )
        hashable(self, "kernel_size", "stride", "padding", "dilation")

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        axes = len(self.kernel_size)
        if len(x.shape) != axes + 2 or x.shape[-1] % self.groups:
            raise ShapeError(
                f"needs x of shape (batch, *spatial, channels) with {axes} spatial "
                f"axes and channels divisible by groups={self.groups}, got {x.shape}"
            )
        shape = (*self.kernel_size, x.shape[-1] // self.groups, self.features)
        draw = self.kernel_init or initializers.he_normal()
        kernel = draw(jax.random.fold_in(key, 0), shape, parameter_dtype(x))
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
        """`conv` of x."""
        y = conv(
            x,
            params["kernel"],
            params.get("bias"),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return y, state


def hashable(layer: Layer, *fields: str) -> None:
    """Turns fields that were given as lists into tuples, so that layers hash."""
    for field in fields:
        object.__setattr__(layer, field, _tuples(getattr(layer, field)))


def _tuples(value: Any) -> Any:
    is_list = isinstance(value, list | tuple)
    return tuple(map(_tuples, value)) if is_list else value
