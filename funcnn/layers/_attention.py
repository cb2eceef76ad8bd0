"""Attention layers."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import LayerError, ShapeError
from funcnn.layers._conv import hashable
from funcnn.layers._dense import Dense
from funcnn.layers._layer import Initializer, Layer, Params, State, parameter_dtype
from funcnn.ops import affine, dot_product_attention, rotary_embedding
from funcnn.ops._attention._blocks import band, in_band


@dataclasses.dataclass(frozen=True, repr=False)
class MultiHeadAttention(Layer):
    """Attention of a sequence to itself: (..., t, d) -> (..., t, d).

    Queries, keys and values are affine maps of x; `dot_product_attention` of each head;
    and an affine map of all heads together.

    `kv_heads` is the number of heads of keys and values, by default `heads`, of which
    it is a divisor; `head_dim` that of features of a head, by default d / heads.
    `causal` and `window` are those of `dot_product_attention`. `rotary` is the base of
    a `rotary_embedding` of queries and keys, True for 10,000.
    Parameters: query (d, heads, head_dim), key and value (d, kv_heads, head_dim) and
    out (heads, head_dim, d), each with its kernel and, with `use_bias`, a bias, as in
    Flax; drawn as those of `Dense`.

    With `max_length` it has a cache for decoding. In training that is left alone, and
    x is a whole sequence. Otherwise x are the next tokens, one or many, after those in
    the state: their keys and values are put there, and they attend to all so far. The
    shapes stay, so that one compiled program serves every step. A new sequence begins
    with the state of `init`. When a step goes beyond `max_length`, its output and all
    later ones are NaN.
    State: with `max_length` key and value (..., max_length, kv_heads, head_dim), of
    zeros, and index (), the number of tokens so far; else none.
    Source: Vaswani et al. (2017), arXiv:1706.03762. Unlike Flax's
    MultiHeadDotProductAttention, no dropout on the weights of attention.
    """

    heads: int
    kv_heads: int | None = None
    head_dim: int | None = None
    causal: bool = False
    window: int | tuple[int | None, int | None] | None = None
    rotary: float | bool | None = None
    use_bias: bool = True
    max_length: int | None = None
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    def __post_init__(self) -> None:
        hashable(self, "window")
        if isinstance(self.rotary, bool):  # True would be the base 1
            object.__setattr__(self, "rotary", 10000.0 if self.rotary else None)
        if self.heads < 1 or self.heads % (self.kv_heads or self.heads):
            raise LayerError(
                "heads must be a multiple of kv_heads, got "
                f"heads={self.heads} and kv_heads={self.kv_heads}",
                "MultiHeadAttention",
            )
        if self.max_length is not None and not self.causal:
            raise LayerError(
                "a cache of max_length is of what came before: it needs causal=True",
                "MultiHeadAttention",
            )

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters, and an empty cache, for inputs shaped like `x`."""
        if len(x.shape) < 2:
            raise ShapeError(f"needs x of shape (..., t, d), got {x.shape}")
        d, of_keys, h = x.shape[-1], self.kv_heads or self.heads, self.head_dim
        if h is None and d % self.heads:
            raise ShapeError(
                "needs x of shape (..., t, d) with d a multiple of "
                f"heads={self.heads}, or a head_dim, got {x.shape}"
            )
        h = h or d // self.heads
        if self.rotary is not None and h % 2:
            raise ShapeError(f"rotary needs an even head_dim, got {h}")
        shapes = {
            "query": ((d,), (self.heads, h)),
            "key": ((d,), (of_keys, h)),
            "value": ((d,), (of_keys, h)),
            "out": ((self.heads, h), (d,)),
        }
        dtype = parameter_dtype(x)
        params = {
            name: self._affine(jax.random.fold_in(key, index), *shape, dtype)
            for index, (name, shape) in enumerate(shapes.items())
        }
        if self.max_length is None:
            return params, ()
        empty = jnp.zeros((*x.shape[:-2], self.max_length, of_keys, h), dtype)
        return params, {"key": empty, "value": empty, "index": jnp.zeros((), jnp.int32)}

    def _affine(
        self,
        key: jax.Array,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        dtype: Any,
    ) -> Params:
        """The parameters of a `Dense`, with several axes of features."""
        dense = Dense(
            math.prod(outputs), self.use_bias, self.kernel_init, self.bias_init
        )
        flat = jax.ShapeDtypeStruct((math.prod(inputs),), dtype)
        params, _ = dense.init(key, flat)
        shapes = {"kernel": (*inputs, *outputs), "bias": outputs}
        return {name: leaf.reshape(shapes[name]) for name, leaf in params.items()}

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """Attention of x to itself and, if there is a cache, to what is there."""
        cached = self.max_length is not None and not train
        if cached:
            _check_cache(state, x)
        query, keys, values = (
            _by_head(x, params[n]) for n in ("query", "key", "value")
        )
        if self.rotary is not None:
            positions = jnp.arange(x.shape[-2]) + (state["index"] if cached else 0)
            query = rotary_embedding(query, positions, base=self.rotary)
            keys = rotary_embedding(keys, positions, base=self.rotary)
        if cached:
            y, state = self._with_cache(state, query, keys, values)
        else:
            y = dot_product_attention(
                query, keys, values, causal=self.causal, window=self.window
            )
        *outer, n, h = y.shape
        kernel, bias = params["out"]["kernel"], params["out"].get("bias")
        kernel = kernel.reshape(n * h, kernel.shape[-1])
        return affine(y.reshape(*outer, n * h), kernel, bias), state

    def _with_cache(
        self, state: State, query: jax.Array, keys: jax.Array, values: jax.Array
    ) -> tuple[jax.Array, State]:
        """Puts keys and values behind those of before, and attends to all of them."""
        first, number = state["index"], query.shape[-3]
        state = {
            "key": _put(state["key"], keys, first),
            "value": _put(state["value"], values, first),
            "index": first + number,
        }
        ours = first + jnp.arange(number)[:, None]
        theirs = jnp.arange(self.max_length)
        seen = in_band(ours, theirs, band(self.causal, self.window))
        y = dot_product_attention(query, state["key"], state["value"], mask=seen)
        return jnp.where(state["index"] <= self.max_length, y, jnp.nan), state


def _by_head(x: jax.Array, params: Params) -> jax.Array:
    """The affine map of x, with axes for heads and for their features."""
    d, n, h = params["kernel"].shape
    bias = params["bias"].reshape(n * h) if "bias" in params else None
    y = affine(x, params["kernel"].reshape(d, n * h), bias)
    return y.reshape(*y.shape[:-1], n, h)


def _put(cache: jax.Array, new: jax.Array, first: jax.Array) -> jax.Array:
    return lax.dynamic_update_slice_in_dim(cache, new.astype(cache.dtype), first, -3)


def _check_cache(state: State, x: jax.Array) -> None:
    if not isinstance(state, dict) or state.keys() != {"key", "value", "index"}:
        raise LayerError(f"needs a state with key, value and index, got {state!r}")
    *leading, length, _, _ = state["key"].shape
    if x.shape[:-2] != tuple(leading) or x.shape[-2] > length:
        raise ShapeError(
            f"needs x of shape (..., t, d) with leading axes {tuple(leading)} and at "
            f"most {length} tokens, as the cache has, got {x.shape}"
        )
