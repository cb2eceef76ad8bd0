"""Many layers of which each example uses a few."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import initializers

from funcnn.errors import LayerError, ShapeError
from funcnn.layers._layer import (
    Initializer,
    Layer,
    Params,
    State,
    apply_part,
    check_part,
    init_part,
    parameter_dtype,
    unobserved,
)
from funcnn.ops import affine, einsum, softmax
from funcnn.ops._arguments import wide


@dataclasses.dataclass(frozen=True, repr=False)
class MixtureOfExperts(Layer):
    """`num_experts` copies of a layer; a router sends each row of x to `top_k` of them.

    The output is the sum of the chosen experts' outputs, weighted by the router's
    probabilities, which for `top_k` above 1 are divided by their sum (as in GShard;
    for 1 they are not, as in Switch, or the router would have no gradient).

    Shapes: (..., n) -> (..., m) of an expert (rows, n) -> (rows, m) without state.
    Each expert takes at most capacity_factor * rows * top_k / num_experts rows; first
    choices go before second ones and earlier rows before later ones. A choice that
    finds no room gives 0, so put the layer into a `Residual`. With `capacity_factor`
    None there is room for every row in every expert. Cost and memory are those of
    capacity * num_experts rows: capacity_factor * top_k times those of a single
    expert, or num_experts times where the factor is None. Rows are moved by their
    indices; no array of rows x experts x capacity is made.

    Parameters: router (n, num_experts) and experts, those of the expert with a first
    axis for the number of the expert.
    State: load_balancing_loss (), in float32 or wider: E sum_e f_e P_e over the E
    experts, f_e the share of the choices that fell on e and P_e the router's mean
    probability of e. It is 1 where all is even. It is that of the last batch, and can
    be differentiated by the parameters through the shares P_e: add
    ``0.01 * load_balancing_loss(state)`` to the loss, of the new state.
    Source: Fedus, Zoph & Shazeer (2021), arXiv:2101.03961, equations 4 to 6; Lepikhin
    et al. (2020), arXiv:2006.16668.
    """

    expert: Any
    num_experts: int
    top_k: int = 2
    capacity_factor: float | None = 1.25
    router_init: Initializer | None = None

    def __post_init__(self) -> None:
        check_part("MixtureOfExperts", self.expert)
        if not 1 <= self.top_k <= self.num_experts:
            raise LayerError(
                f"top_k must be from 1 to num_experts={self.num_experts}, "
                f"got {self.top_k}",
                "MixtureOfExperts",
            )

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters for inputs shaped like `x`."""
        rows = jax.ShapeDtypeStruct((self._capacity(x), *x.shape[-1:]), x.dtype)
        draw = self.router_init or initializers.lecun_normal()
        shape, dtype = (x.shape[-1], self.num_experts), parameter_dtype(x)
        router = draw(jax.random.fold_in(key, 0), shape, dtype)

        def one(key: jax.Array) -> Params:
            params, state, _ = init_part("expert", self.expert, key, rows)
            if jax.tree.leaves(state):
                raise LayerError(f"needs experts without state, got {self.expert!r}")
            return params

        experts = jax.vmap(one)(self._keys(jax.random.fold_in(key, 1)))
        loss = jnp.zeros((), jnp.promote_types(dtype, jnp.float32))
        return {"router": router, "experts": experts}, {"load_balancing_loss": loss}

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """The weighted sum of the chosen experts, and the loss of the choice."""
        capacity, experts = self._capacity(x), self.num_experts
        rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        probabilities = softmax(affine(wide(rows), wide(params["router"])))
        weights, chosen = jax.lax.top_k(probabilities, self.top_k)
        if self.top_k > 1:
            weights = weights / weights.sum(-1, keepdims=True)
        places = _places(chosen, experts, capacity)
        given = _by_place(rows, places, experts * capacity)
        made = self._apply_experts(
            params["experts"], given.reshape(experts, capacity, -1), key, train
        )
        made = made.reshape(experts * capacity, made.shape[-1])
        back = made.at[places].get(mode="fill", fill_value=0)
        y = einsum("rk,rkm->rm", weights, wide(back)).astype(x.dtype)
        loss = _load_balancing_loss(probabilities, chosen)
        return y.reshape(*x.shape[:-1], y.shape[-1]), {"load_balancing_loss": loss}

    def _apply_experts(
        self, params: Params, rows: jax.Array, key: jax.Array | None, train: bool
    ) -> jax.Array:
        def one(params: Params, rows: jax.Array, key: jax.Array | None) -> jax.Array:
            y, _ = apply_part(
                "expert", self.expert, params, (), rows, key=key, train=train
            )
            return y

        with unobserved():
            if key is None:
                return jax.vmap(one, (0, 0, None))(params, rows, None)
            return jax.vmap(one)(params, rows, self._keys(key))

    def _keys(self, key: jax.Array) -> jax.Array:
        experts = jnp.arange(self.num_experts)
        return jax.vmap(lambda index: jax.random.fold_in(key, index))(experts)

    def _capacity(self, x: jax.Array | jax.ShapeDtypeStruct) -> int:
        if not x.shape:
            raise ShapeError(f"needs x of shape (..., n), got {x.shape}")
        rows = math.prod(x.shape[:-1])
        if self.capacity_factor is None:
            return max(1, rows)
        even = rows * self.top_k / self.num_experts
        return min(max(1, math.ceil(self.capacity_factor * even)), max(1, rows))


def load_balancing_loss(state: State) -> jax.Array:
    """The sum of the losses of every `MixtureOfExperts` in a model's state.

    In a loss function, of the state that `apply` gave: ``loss = loss + 0.01 *
    load_balancing_loss(state)``. It is 0 for a model that has none.
    """
    losses = [
        leaf.sum()  # of a `Repeat` there is one per turn
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
        if path and getattr(path[-1], "key", None) == "load_balancing_loss"
    ]
    return sum(losses[1:], losses[0]) if losses else jnp.zeros(())


def _places(chosen: jax.Array, experts: int, capacity: int) -> jax.Array:
    """For each row and choice the number of its place; beyond all if none is free."""
    order = chosen.T.reshape(-1)  # first choices first
    one_hot = order[:, None] == jnp.arange(experts)
    before = jnp.cumsum(one_hot, 0, dtype=jnp.int32) - 1
    place = jnp.take_along_axis(before, order[:, None], 1)[:, 0]
    place = jnp.where(place < capacity, order * capacity + place, experts * capacity)
    return place.reshape(chosen.shape[::-1]).T


def _by_place(rows: jax.Array, places: jax.Array, count: int) -> jax.Array:
    """The row of each place, zeros where there is none."""
    count_of_rows, choices = places.shape
    if not count_of_rows:
        return jnp.zeros((count, rows.shape[1]), rows.dtype)
    numbers = jnp.repeat(jnp.arange(count_of_rows), choices)
    empty = jnp.full(count, count_of_rows)
    row_of_place = empty.at[places.reshape(-1)].set(numbers, mode="drop")
    return rows.at[row_of_place].get(mode="fill", fill_value=0)


def _load_balancing_loss(probabilities: jax.Array, chosen: jax.Array) -> jax.Array:
    rows, experts = probabilities.shape
    counts = (chosen[..., None] == jnp.arange(experts)).sum((0, 1))
    share = counts.astype(probabilities.dtype) / max(1, chosen.size)
    return experts * einsum("re,e->", probabilities, share) / max(1, rows)
