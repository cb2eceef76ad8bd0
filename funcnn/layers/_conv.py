"""Convolutional layers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
from jax.nn import initializers

from funcnn.errors import ShapeError
from funcnn.layers._layer import Initializer, Layer, Params, State, parameter_dtype
from funcnn.ops import causal_conv, conv, conv_transpose, depthwise_conv, separable_conv
from funcnn.ops._convolution._windows import Padding

ArrayLike = jax.Array | jax.ShapeDtypeStruct


@dataclasses.dataclass(frozen=True, repr=False)
class _ToFeatures(Layer):
    """What a convolution and its transpose share: all but which of them it is."""

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
        _check_options(self)

    def init(self, key: jax.Array, x: ArrayLike) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        inputs = _check_input(x, len(self.kernel_size), self.groups)
        return _drawn(self, key, x, (*self.kernel_size, inputs, self.features)), ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """The convolution of x."""
        options = {"groups": self.groups, **_window_options(self)}
        return self._op(x, params["kernel"], params.get("bias"), **options), state

    def _op(self, *arrays: Any, **options: Any) -> jax.Array:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, repr=False)
class Conv(_ToFeatures):
    """`conv` with its own kernel: (batch, *spatial, c) -> (batch, *output, features).

    `kernel_size` has one number per spatial axis (1 to 3); the other options are
    those of `funcnn.ops.conv`.
    Parameters: kernel (*kernel_size, c / groups, features) and, with `use_bias`,
    bias (features,). The kernel is drawn with `jax.nn.initializers.he_normal`
    (variance 2 / fan-in, for a rectifier follows), the bias is 0, unless
    initializers are given.
    """

    def _op(self, *arrays: Any, **options: Any) -> jax.Array:
        return conv(*arrays, **options)


@dataclasses.dataclass(frozen=True, repr=False)
class ConvTranspose(_ToFeatures):
    """`conv_transpose` with its own kernel: (batch, *spatial, c) to features, larger.

    `kernel_size` has one number per spatial axis (1 to 3); the other options are
    those of `funcnn.ops.conv_transpose`.
    Parameters: kernel (*kernel_size, c / groups, features) and, with `use_bias`,
    bias (features,), drawn as those of `Conv`.
    """

    def _op(self, *arrays: Any, **options: Any) -> jax.Array:
        return conv_transpose(*arrays, **options)


@dataclasses.dataclass(frozen=True, repr=False)
class CausalConv(Layer):
    """`causal_conv` with its own kernel: (batch, time, c) -> (batch, time, features).

    `kernel_size` is one number; the other options are those of
    `funcnn.ops.causal_conv`.
    Parameters: kernel (kernel_size, c / groups, features) and, with `use_bias`,
    bias (features,), drawn as those of `Conv`.
    """

    features: int
    kernel_size: int
    dilation: int = 1
    groups: int = 1
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def init(self, key: jax.Array, x: ArrayLike) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        inputs = _check_input(x, 1, self.groups)
        return _drawn(self, key, x, (self.kernel_size, inputs, self.features)), ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`causal_conv` of x."""
        options = {"dilation": self.dilation, "groups": self.groups}
        return causal_conv(x, params["kernel"], params.get("bias"), **options), state


@dataclasses.dataclass(frozen=True, repr=False)
class DepthwiseConv(Layer):
    """`depthwise_conv` with its own kernel: (batch, *spatial, c) to c * multiplier.

    `kernel_size` has one number per spatial axis (1 to 3); the other options are
    those of `funcnn.ops.depthwise_conv`.
    Parameters: kernel (*kernel_size, 1, c * multiplier) and, with `use_bias`,
    bias (c * multiplier,), drawn as those of `Conv`.
    """

    kernel_size: Sequence[int]
    multiplier: int = 1
    stride: int | Sequence[int] = 1
    padding: Padding = "SAME"
    dilation: int | Sequence[int] = 1
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def __post_init__(self) -> None:
        _check_options(self)

    def init(self, key: jax.Array, x: ArrayLike) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        features = _check_input(x, len(self.kernel_size)) * self.multiplier
        return _drawn(self, key, x, (*self.kernel_size, 1, features)), ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`depthwise_conv` of x."""
        options = _window_options(self)
        return depthwise_conv(x, params["kernel"], params.get("bias"), **options), state


@dataclasses.dataclass(frozen=True, repr=False)
class SeparableConv(Layer):
    """`separable_conv` with its own kernels: (batch, *spatial, c) to features.

    `kernel_size` has one number per spatial axis (1 to 3); the other options are
    those of `funcnn.ops.separable_conv`.
    Parameters: depthwise_kernel (*kernel_size, 1, c * multiplier), pointwise_kernel
    (c * multiplier, features) and, with `use_bias`, bias (features,). The first is
    drawn with `jax.nn.initializers.lecun_normal` (variance 1 / fan-in), for no
    rectifier follows it, the others as those of `Conv`.
    """

    features: int
    kernel_size: Sequence[int]
    multiplier: int = 1
    stride: int | Sequence[int] = 1
    padding: Padding = "SAME"
    dilation: int | Sequence[int] = 1
    use_bias: bool = True
    depthwise_init: Initializer | None = None
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def __post_init__(self) -> None:
        _check_options(self)

    def init(self, key: jax.Array, x: ArrayLike) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        middle = _check_input(x, len(self.kernel_size)) * self.multiplier
        draw = self.depthwise_init or initializers.lecun_normal()
        shape = (*self.kernel_size, 1, middle)
        outer = draw(jax.random.fold_in(key, 2), shape, parameter_dtype(x))
        params = _drawn(self, key, x, (middle, self.features))
        inner = params.pop("kernel")
        return {"depthwise_kernel": outer, "pointwise_kernel": inner, **params}, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`separable_conv` of x."""
        kernels = params["depthwise_kernel"], params["pointwise_kernel"]
        options = _window_options(self)
        return separable_conv(x, *kernels, params.get("bias"), **options), state


def _check_options(layer: Any) -> None:
    if isinstance(layer.kernel_size, int):
        name, size = type(layer).__name__, layer.kernel_size
        raise TypeError(
            f"{name}: kernel_size needs one number per spatial axis, such as "
            f"({size}, {size}), got {size}"
        )
    hashable(layer, "kernel_size", "stride", "padding", "dilation")


def _check_input(x: ArrayLike, axes: int, groups: int = 1) -> int:
    """How many channels of `x` there are in each of the groups."""
    if len(x.shape) != axes + 2 or x.shape[-1] % groups:
        raise ShapeError(
            f"needs x of shape (batch, *spatial, channels) with {axes} spatial "
            f"axes and channels divisible by groups={groups}, got {x.shape}"
        )
    return x.shape[-1] // groups


def _drawn(
    layer: Any, key: jax.Array, x: ArrayLike, shape: tuple[int, ...]
) -> dict[str, jax.Array]:
    """A kernel of that shape and, if the layer has one, a bias."""
    draw = layer.kernel_init or initializers.he_normal()
    kernel = draw(jax.random.fold_in(key, 0), shape, parameter_dtype(x))
    if not layer.use_bias:
        return {"kernel": kernel}
    draw = layer.bias_init or initializers.zeros
    bias = draw(jax.random.fold_in(key, 1), shape[-1:], kernel.dtype)
    return {"kernel": kernel, "bias": bias}


def _window_options(layer: Any) -> dict[str, Any]:
    names = ("stride", "padding", "dilation")
    return {name: getattr(layer, name) for name in names}


def hashable(layer: Layer, *fields: str) -> None:
    """Turns fields that were given as lists into tuples, so that layers hash."""
    for field in fields:
        object.__setattr__(layer, field, _tuples(getattr(layer, field)))


def _tuples(value: Any) -> Any:
    is_list = isinstance(value, list | tuple)
    return tuple(map(_tuples, value)) if is_list else value
