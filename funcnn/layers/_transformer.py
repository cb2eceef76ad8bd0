"""Blocks of transformers."""

import dataclasses
from typing import Any

import jax

from funcnn.errors import LayerError, ShapeError
from funcnn.layers._chain import Chain
from funcnn.layers._dense import Dense
from funcnn.layers._layer import (
    Layer,
    Params,
    State,
    apply_part,
    check_part,
    init_part,
    part_key,
)
from funcnn.layers._norm import LayerNorm
from funcnn.ops import gelu

_LAYER_NORM = LayerNorm()


@dataclasses.dataclass(frozen=True, repr=False)
class TransformerBlock(Layer, combinator=True):
    """y = x + attention(norm(x)), and then y + feed_forward(norm(y)).

    The parts are layers: `attention` such as ``MultiHeadAttention(8, causal=True)``;
    `feed_forward` by default two `Dense`, with 4 times the features and gelu between
    them; `norm`, used twice with parameters of its own; and `dropout`, if given, over
    what is added, such as ``Dropout(0.1)``.
    Parameters are a dict with an entry for each part: attention_norm, attention,
    feed_forward_norm, feed_forward, and with `dropout` attention_dropout and
    feed_forward_dropout. So is the state, unless all of it is empty.
    Source: Xiong et al. (2020), arXiv:2002.04745, for the place of the norms.
    """

    attention: Any
    feed_forward: Any = None
    norm: Any = _LAYER_NORM
    dropout: Any = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            part = getattr(self, field.name)
            if part is not None:
                check_part(f"TransformerBlock.{field.name}", part)

    @property
    def layers(self) -> tuple[Any, ...]:
        """The parts that were given."""
        parts = self.norm, self.attention, self.feed_forward, self.dropout
        return tuple(part for part in parts if part is not None)

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The parameters and states of all parts for inputs shaped like `x`."""
        params, states = {}, {}
        for branch in _BRANCHES:
            y = x
            for name, part, number in self._parts(branch, x):
                place, own = f"TransformerBlock.{name}", jax.random.fold_in(key, number)
                params[name], states[name], y = init_part(place, part, own, y)
            _check_sum(branch, y, x)
        return params, states if jax.tree.leaves(states) else ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """The sum of x and both branches."""
        states = {}
        for branch in _BRANCHES:
            y = x
            for name, part, number in self._parts(branch, x):
                if not isinstance(params, dict) or name not in params:
                    raise LayerError(f"needs parameters of {name}", "TransformerBlock")
                old = state[name] if jax.tree.leaves(state) else ()
                y, states[name] = apply_part(
                    f"TransformerBlock.{name}",
                    part,
                    params[name],
                    old,
                    y,
                    key=part_key(key, number),
                    train=train,
                )
            _check_sum(branch, y, x)
            x = x + y
        return x, states if jax.tree.leaves(states) else ()

    def _parts(self, branch: str, x: Any) -> list[tuple[str, Any, int]]:
        """Of one branch names, layers, and the numbers of their keys."""
        layer = getattr(self, branch)
        if layer is None:
            layer = Chain(Dense(4 * x.shape[-1]), gelu, Dense(x.shape[-1]))
        first = 3 * _BRANCHES.index(branch)
        parts = [(f"{branch}_norm", self.norm, first), (branch, layer, first + 1)]
        if self.dropout is not None:
            parts.append((f"{branch}_dropout", self.dropout, first + 2))
        return parts


_BRANCHES = ("attention", "feed_forward")


def _check_sum(branch: str, y: Any, x: Any) -> None:
    if y.shape != x.shape:
        raise ShapeError(
            f"the output of {branch} {y.shape} is added to x, and needs its shape "
            f"{x.shape}",
            "TransformerBlock",
        )
