"""The affine layer that is adapted by a product of two thin kernels."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.nn import initializers

from funcnn.errors import LayerError
from funcnn.layers._dense import Dense
from funcnn.layers._layer import Initializer, Layer, Params, State
from funcnn.ops import low_rank_affine


@dataclasses.dataclass(frozen=True, repr=False)
class LoRA(Layer):
    """`Dense` with an adapter of low rank: x W + (alpha / rank) (x A) B + bias.

    Shapes: (..., n) -> (..., features).
    Parameters: kernel and bias as those of `Dense`, lora_a (n, rank) and lora_b
    (rank, features). lora_a is drawn with `jax.nn.initializers.he_normal` unless an
    initializer is given, lora_b is 0: at first the layer is the `Dense`. `alpha` None
    stands for `rank`, which makes the factor 1.

    To adapt a `Dense` that was trained, take its parameters:
    ``params = lora_params | dense_params``. To hold them fixed, train by name, with
    `optax.partition` or ``optax.masked``; the gradient of a kernel that is not asked
    for costs nothing under `jax.jit`. `merged` gives the parameters of the `Dense`
    that does the same.
    Source: Hu et al. (2021), arXiv:2106.09685.
    """

    features: int
    rank: int
    alpha: float | None = None
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None
    lora_init: Initializer | None = None

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise LayerError(f"rank must be 1 or more, got {self.rank}", "LoRA")

    @property
    def scale(self) -> float:
        """The factor of the adapter, alpha / rank."""
        return 1.0 if self.alpha is None else self.alpha / self.rank

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`; those of `Dense` are `Dense`'s."""
        dense = Dense(self.features, self.use_bias, self.kernel_init, self.bias_init)
        params, _ = dense.init(key, x)
        kernel = params["kernel"]
        draw = self.lora_init or initializers.he_normal()
        shape = (kernel.shape[0], self.rank)
        lora_a = draw(jax.random.fold_in(key, 2), shape, kernel.dtype)
        lora_b = jnp.zeros((self.rank, self.features), kernel.dtype)
        return params | {"lora_a": lora_a, "lora_b": lora_b}, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`low_rank_affine` of x."""
        kernels = params["kernel"], params["lora_a"], params["lora_b"]
        y = low_rank_affine(x, *kernels, params.get("bias"), scale=self.scale)
        return y, state

    def merged(self, params: Params) -> Params:
        """The parameters of the `Dense` that gives the same."""
        kernel, a, b = params["kernel"], params["lora_a"], params["lora_b"]
        dense = {"kernel": kernel + (self.scale * a @ b).astype(kernel.dtype)}
        return dense | {"bias": params["bias"]} if self.use_bias else dense
