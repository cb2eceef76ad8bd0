"""Recurrent layers over sequences, and the one that reads them from both ends."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.nn import initializers

from funcnn.errors import LayerError, ShapeError
from funcnn.layers._dense import dense_kernel
from funcnn.layers._layer import (
    Initializer,
    Layer,
    Params,
    State,
    call_code,
    parameter_dtype,
)
from funcnn.layers._parallel import Parallel
from funcnn.ops import affine, gru, lstm, min_gru, rnn


@dataclasses.dataclass(frozen=True, repr=False)
class _Recurrent(Layer):
    """What the recurrent layers share: all but their op and its parameters."""

    features: int
    use_bias: bool = True
    reverse: bool = False
    carry_in_state: bool = False
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    _gates: ClassVar[int]  # how many times `features` the kernels are wide
    _carry: ClassVar[tuple[str, ...]] = ("h",)

    def __post_init__(self) -> None:
        if self.reverse and self.carry_in_state:
            raise LayerError(
                "reverse=True ends at the first step, from where the next piece of a "
                "sequence cannot go on: carry_in_state must be False",
                type(self).__name__,
            )

    def init(self, key: jax.Array, x: Any) -> tuple[Params, State]:
        """Parameters, and the first carry, for inputs shaped like `x`."""
        x, _ = with_mask(x)
        if len(x.shape) < 2:
            raise ShapeError(f"needs x of shape (..., time, n), got {x.shape}")
        return self._drawn(key, x), self._zeros(x)

    def apply(
        self,
        params: Params,
        state: State,
        x: Any,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[Any, State]:
        """The op of x, or of the pair (x, mask), and the state with the last carry."""
        x, mask = with_mask(x)
        carry: Any = None
        if self.carry_in_state:
            if not isinstance(state, dict):
                raise LayerError(f"needs a state with the carry, got {state!r}")
            carry = {name: c.astype(x.dtype) for name, c in state.items()}
            carry = tuple(carry[n] for n in "hc") if "c" in carry else carry["h"]
        y, last = self._op(x, **params, carry=carry, mask=mask, reverse=self.reverse)
        if self.carry_in_state:
            last = dict(zip("hc", last if isinstance(last, tuple) else (last,)))
            last = jax.lax.stop_gradient(last)
            state = {name: last[name].astype(old.dtype) for name, old in state.items()}
        return (y if mask is None else (y, mask)), state

    def _op(self, *arrays: Any, **options: Any) -> Any:
        raise NotImplementedError

    def _drawn(self, key: jax.Array, x: Any) -> dict[str, jax.Array]:
        width, dtype = self._gates * self.features, parameter_dtype(x)
        params = {"kernel": dense_kernel(self.kernel_init, key, x, width)}
        if self.use_bias:
            params["bias"] = self._bias(key, 2, width, dtype)
        return params

    def _bias(self, key: jax.Array, index: int, width: int, dtype: Any) -> jax.Array:
        draw = self.bias_init or initializers.zeros
        return draw(jax.random.fold_in(key, index), (width,), dtype)

    def _zeros(self, x: Any) -> State:
        if not self.carry_in_state:
            return ()
        dtype = jnp.promote_types(parameter_dtype(x), jnp.float32)
        shape = (*x.shape[:-2], self.features)
        return {name: jnp.zeros(shape, dtype) for name in self._carry}


@dataclasses.dataclass(frozen=True, repr=False)
class _SeesItsState(_Recurrent):
    """One with a recurrent kernel: a square for every gate, side by side."""

    recurrent_kernel_init: Initializer | None = None

    def _drawn(self, key: jax.Array, x: Any) -> dict[str, jax.Array]:
        """The squares are drawn each by itself."""
        params = super()._drawn(key, x)
        kernel, square = params["kernel"], (self.features, self.features)
        draw = self.recurrent_kernel_init or initializers.orthogonal()
        key = jax.random.fold_in(key, 1)
        wide = jnp.promote_types(kernel.dtype, jnp.float32)  # no orthogonal bfloat16
        parts = [
            draw(jax.random.fold_in(key, gate), square, wide)
            for gate in range(self._gates)
        ]
        recurrent = jnp.concatenate(parts, axis=-1).astype(kernel.dtype)
        return params | {"recurrent_kernel": recurrent}


def with_mask(x: Any) -> tuple[Any, Any]:
    """The pair (x, mask) that a recurrent layer was given, or x and None."""
    return x if isinstance(x, tuple) else (x, None)


@dataclasses.dataclass(frozen=True, repr=False)
class RNN(_SeesItsState):
    """`funcnn.ops.rnn`: all states, (..., time, n) -> (..., time, features).

    The input is x, or a pair (x, mask) with booleans (..., time), and then the output
    is such a pair too, so that layers can follow one another: where the mask is False
    a step is left out, and the state that is held is the output. `reverse` goes from
    the last step to the first; outputs stay at their steps.

    The first state is 0. With `carry_in_state` it is the last one of the call before,
    for sequences that come in pieces: it is part of the layer's state, for the batch
    that `init` saw, and no gradient goes from a piece to the one before (truncated
    backpropagation through time). It moves on in training and otherwise alike; a new
    sequence begins with the state of `init`, or zeros in its place.

    Parameters: kernel (n, features), drawn with `lecun_normal`, recurrent_kernel
    (features, features), orthogonal, and with `use_bias` bias (features,), 0, unless
    initializers are given.
    State: with `carry_in_state`, h (..., features) in float32 or wider.
    """

    _gates = 1

    def _op(self, *arrays: Any, **options: Any) -> Any:
        return rnn(*arrays, **options)


@dataclasses.dataclass(frozen=True, repr=False)
class LSTM(_SeesItsState):
    """`funcnn.ops.lstm`: all hidden states, (..., time, n) -> (..., time, features).

    Masks, `reverse` and `carry_in_state` are those of `RNN`.

    Parameters: kernel (n, 4 features), recurrent_kernel (features, 4 features) and
    bias (4 features,), drawn as those of `RNN`, each gate's quarter of the recurrent
    kernel orthogonal by itself. The gates are input, forget, cell, output.
    State: with `carry_in_state`, h and c (..., features) in float32 or wider.
    """

    _gates = 4
    _carry = ("h", "c")

    def _op(self, *arrays: Any, **options: Any) -> Any:
        return lstm(*arrays, **options)


@dataclasses.dataclass(frozen=True, repr=False)
class GRU(_SeesItsState):
    """`funcnn.ops.gru`: all states, (..., time, n) -> (..., time, features).

    Masks, `reverse` and `carry_in_state` are those of `RNN`.

    Parameters: kernel (n, 3 features), recurrent_kernel (features, 3 features), bias
    (3 features,) and recurrent_bias (features,), drawn as those of `LSTM`. The gates
    are reset, update, new; the recurrent bias is inside what the reset gate multiplies.
    State: with `carry_in_state`, h (..., features) in float32 or wider.
    """

    _gates = 3

    def _drawn(self, key: jax.Array, x: Any) -> dict[str, jax.Array]:
        params = super()._drawn(key, x)
        if self.use_bias:
            dtype = params["kernel"].dtype
            params["recurrent_bias"] = self._bias(key, 3, self.features, dtype)
        return params

    def _op(self, *arrays: Any, **options: Any) -> Any:
        return gru(*arrays, **options)


@dataclasses.dataclass(frozen=True, repr=False)
class MinGRU(_Recurrent):
    """`funcnn.ops.min_gru` of two products with x: (..., time, n) -> (..., features).

    Gate and candidate are the halves of x @ kernel + bias; neither sees the state, so
    all steps are computed together. Masks, `reverse` and `carry_in_state` are those of
    `RNN`; `positive` is that of `min_gru`.

    Parameters: kernel (n, 2 features) and bias (2 features,), drawn as those of `RNN`.
    State: with `carry_in_state`, h (..., features) in float32 or wider.
    """

    positive: bool = False

    _gates = 2

    def _op(self, x: Any, kernel: Any, bias: Any = None, **options: Any) -> Any:
        mask, carry = options["mask"], options.pop("carry")
        if mask is not None:  # NaN in the padding would go into the kernel's gradient
            x = jnp.where(mask[..., None], x, 0)
        gate, candidate = jnp.split(affine(x, kernel, bias), 2, axis=-1)
        return min_gru(gate, candidate, carry, positive=self.positive, **options)


class Bidirectional(Parallel, combinator=True):
    """Reads a sequence in both directions and joins the two outputs' last axes.

    ``Bidirectional(LSTM(8))`` is ``Parallel(LSTM(8), LSTM(8, reverse=True))`` with
    their outputs side by side: (..., time, n) -> (..., time, 16). For a pair (x, mask)
    it gives a pair. Parameters are a tuple of the two layers'.
    """

    def __init__(self, layer: Any) -> None:
        if not hasattr(layer, "reverse"):
            raise TypeError(
                f"Bidirectional: needs a layer with an option `reverse`, got {layer!r}"
            )
        other = dataclasses.replace(layer, reverse=not layer.reverse)
        super().__init__(layer, other, merge=_side_by_side)

    def __repr__(self) -> str:
        """The code that builds this layer."""
        return call_code("Bidirectional", self.layers[:1], {})


def _side_by_side(outputs: tuple[Any, ...]) -> Any:
    if isinstance(outputs[0], tuple):
        ys, masks = zip(*outputs)
        return jnp.concatenate(ys, axis=-1), masks[0]
    return jnp.concatenate(outputs, axis=-1)
