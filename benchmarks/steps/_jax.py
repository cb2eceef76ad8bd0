"""What the frameworks on JAX share."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.steps._protocol import Looped, Trainer
from benchmarks.steps._workloads import ATTENTION_RATE, RATE

Attention = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def number_of(params: Any) -> int:
    """How many numbers are in the arrays of a pytree."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean cross-entropy, of Optax, as users of most JAX libraries have it."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.mean()


def adam_step(
    loss_fn: Callable[..., tuple[jax.Array, Any]],
) -> tuple[Callable[..., tuple[Any, ...]], Callable[[Any], Any]]:
    """A jitted step that donates, and what makes the optimizer's first state.

    Args:
      loss_fn: ``loss_fn(params, state, inputs, labels) -> (loss, state)``.

    Returns:
      ``step(params, state, opt_state, inputs, labels)``, which gives the first three
      and the loss, and ``init(params)``.
    """
    optimizer = optax.adam(RATE)

    def step(
        params: Any, state: Any, opt_state: Any, *batch: jax.Array
    ) -> tuple[Any, ...]:
        gradient = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, state), grads = gradient(params, state, *batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), state, opt_state, loss

    return jax.jit(step, donate_argnums=(0, 1, 2)), optimizer.init


def descended(attention: Attention, batch: tuple[jax.Array, ...]) -> Trainer:
    """Gradient descent by query, key and value to an output that is given."""

    def loss_fn(arrays: tuple[jax.Array, ...], wanted: jax.Array) -> jax.Array:
        return jnp.square(attention(*arrays) - wanted).mean()

    def step(
        arrays: tuple[jax.Array, ...], wanted: jax.Array
    ) -> tuple[tuple[jax.Array, ...], jax.Array]:
        loss, slopes = jax.value_and_grad(loss_fn)(arrays, wanted)
        return jax.tree.map(lambda a, d: a - ATTENTION_RATE * d, arrays, slopes), loss

    *arrays, wanted = batch
    jitted = jax.jit(step, donate_argnums=0)
    return Looped(jitted, (tuple(arrays),), (wanted,), number_of(arrays))
