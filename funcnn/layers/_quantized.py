"""The affine layer of numbers of few bits."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from funcnn.errors import LayerError
from funcnn.layers._dense import Dense
from funcnn.layers._layer import Initializer, Layer, Params, State
from funcnn.ops import affine, fake_quantize


@dataclasses.dataclass(frozen=True, repr=False)
class QuantizedDense(Layer):
    """`Dense` whose kernel and input are rounded to `bits` bits, with learned steps.

    Shapes: (..., n) -> (..., features).
    Both go through `fake_quantize`: in training and after it the layer computes what
    a product of integers gives, times two steps. The input counts from 0 on where
    `signed_input` is False, as after a rectifier. The steps' gradients are scaled as
    in the paper, by 1 / sqrt(h N), h the largest integer and N the entries of the
    kernel, or n.
    Parameters: kernel and bias as those of `Dense`; kernel_step (), which starts at
    the paper's 2 mean |kernel| / sqrt(h), and input_step (), which starts where that
    is for inputs from a normal distribution of variance 1, 2 sqrt(2 / (pi h)): for
    others, give it 2 mean |x| / sqrt(h) of a batch.
    Source: Esser et al. (2020), arXiv:1902.08153.
    """

    features: int
    bits: int = 8
    signed_input: bool = True
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise LayerError(
                f"bits must be from 2 to 16, got {self.bits}", "QuantizedDense"
            )

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`; those of `Dense` are `Dense`'s."""
        dense = Dense(self.features, self.use_bias, self.kernel_init, self.bias_init)
        params, _ = dense.init(key, x)
        kernel = params["kernel"]
        mean = jnp.abs(kernel).mean(dtype=jnp.promote_types(kernel.dtype, jnp.float32))
        steps = {
            "kernel_step": 2 * mean / math.sqrt(self._largest(True)),
            "input_step": 2 * math.sqrt(2 / math.pi / self._largest(self.signed_input)),
        }
        return params | {n: jnp.asarray(s, kernel.dtype) for n, s in steps.items()}, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`affine` of what x and the kernel are rounded to."""
        kernel = params["kernel"]
        x = self._quantized(
            x, params["input_step"], kernel.shape[0], signed=self.signed_input
        )
        kernel = self._quantized(kernel, params["kernel_step"], kernel.size)
        return affine(x, kernel, params.get("bias")), state

    def _quantized(
        self, x: jax.Array, step: jax.Array, count: int, signed: bool = True
    ) -> jax.Array:
        scale = 1 / math.sqrt(self._largest(signed) * max(count, 1))
        return fake_quantize(
            x, step, bits=self.bits, signed=signed, gradient_scale=scale
        )

    def _largest(self, signed: bool) -> int:
        return 2 ** (self.bits - signed) - 1
