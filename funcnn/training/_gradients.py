"""The gradient of a step: in parts of the batch, and in another precision."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.typing import DTypeLike

from funcnn.training._loss import LossFunction, Metrics
from funcnn.training._places import Places

# of params, state, batch and key
Value = Callable[[Any, Any, Any, jax.Array], tuple[jax.Array, tuple[Any, Metrics]]]
Gradients = Callable[[Any, Any, Any, jax.Array], tuple[Any, tuple[Any, Metrics]]]


def in_precision(loss_fn: LossFunction, precision: DTypeLike | None) -> Value:
    """The loss with parameters and inputs of wider floats rounded to `precision`.

    The gradient comes back through the rounding, in the parameters' own dtypes.

    Raises:
      ValueError: when `precision` is no float, float16, or one of 8 bits.
    """
    if precision is None:
        return lambda params, state, batch, key: loss_fn(
            params, state, batch, key=key, train=True
        )
    dtype = jnp.dtype(precision)
    if not jnp.issubdtype(dtype, jnp.floating) or dtype.itemsize < 2 or dtype == "f2":
        raise ValueError(
            f"precision must be bfloat16, float32 or float64, got {dtype}: "
            "in narrower floats gradients vanish unless the loss is scaled"
        )

    def rounded(tree: Any) -> Any:
        def one(leaf: Any) -> Any:
            floats = jnp.issubdtype(leaf.dtype, jnp.floating)
            wider = floats and leaf.dtype.itemsize > dtype.itemsize
            return leaf.astype(dtype) if wider else leaf

        return jax.tree.map(one, tree)

    def value(
        params: Any, state: Any, batch: Any, key: jax.Array
    ) -> tuple[jax.Array, tuple[Any, Metrics]]:
        loss, (new, metrics) = loss_fn(
            rounded(params), state, rounded(batch), key=key, train=True
        )
        return loss, (optax.tree.cast_like(new, state), metrics)

    return value


def accumulated(value: Value, parts: int, places: Places) -> Gradients:
    """The gradient by params, and state and metrics, over so many parts of the batch.

    Each gradient is put where its parameter is, so that sums of them are there too.

    Raises:
      ValueError: when `parts` is less than 1, or, of the function, when it does not
        divide the batch.
    """
    if parts < 1:
        raise ValueError(f"accumulate must be at least 1, got {parts}")

    def gradient(
        params: Any, state: Any, batch: Any, key: jax.Array
    ) -> tuple[Any, tuple[Any, Metrics]]:
        grads, others = jax.grad(value, has_aux=True)(params, state, batch, key)
        return places.params(grads), others

    if parts == 1:
        return gradient

    def gradients(
        params: Any, state: Any, batch: Any, key: jax.Array
    ) -> tuple[Any, tuple[Any, Metrics]]:
        split = places.batch_parts(
            jax.tree.map(lambda array: _split(array, parts), batch)
        )
        first = jax.tree.map(lambda array: array[0], split)
        grads, (_, metrics) = jax.eval_shape(gradient, params, state, first, key)
        zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), (grads, metrics))

        def add(carry: Any, part: Any) -> tuple[Any, None]:
            state, sums = carry
            number, batch = part
            own = jax.random.fold_in(key, number)
            grads, (state, metrics) = gradient(params, state, batch, own)
            return (state, jax.tree.map(jnp.add, sums, (grads, metrics))), None

        numbered = (jnp.arange(parts), split)
        (state, sums), _ = lax.scan(add, (state, zeros), numbered)
        grads, metrics = jax.tree.map(lambda a: a / parts, sums)
        return grads, (state, metrics)

    return gradients


def _split(array: jax.Array, parts: int) -> jax.Array:
    if array.shape[0] % parts:
        raise ValueError(
            f"accumulate={parts} must divide the batch of {array.shape[0]} examples"
        )
    # Strided, so that each part has something of every device's share of the batch.
    return jnp.moveaxis(array.reshape(-1, parts, *array.shape[1:]), 1, 0)
