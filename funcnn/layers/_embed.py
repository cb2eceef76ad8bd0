"""The embedding layer."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.nn import initializers

from funcnn.layers._layer import Initializer, Layer, Params, State
from funcnn.ops import embedding


@dataclasses.dataclass(frozen=True, repr=False)
class Embed(Layer):
    """Rows of a table, chosen by integer ids: (...) -> (..., features).

    Parameters: embedding (num_embeddings, features), drawn from N(0, 1/features),
    so that its rows have length 1 on average, unless an initializer is given.
    Ids below 0 or from num_embeddings on give NaN; see `funcnn.ops.embedding`.
    """

    num_embeddings: int
    features: int
    embedding_init: Initializer | None = None

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """The table; `x` are ids of any shape."""
        draw = self.embedding_init or initializers.normal(self.features**-0.5)
        shape = (self.num_embeddings, self.features)
        dtype = jnp.result_type(float)
        return {"embedding": draw(jax.random.fold_in(key, 0), shape, dtype)}, ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[jax.Array, State]:
        """`embedding` of the ids x."""
        return embedding(params["embedding"], x), state
