"""The loss of a model on labelled batches."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

Metrics = dict[str, jax.Array]
LossFunction = Callable[..., tuple[jax.Array, tuple[Any, Metrics]]]


def supervised(
    model: Any,
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    metrics: Mapping[str, Callable[[jax.Array, jax.Array], jax.Array]] | None = None,
) -> LossFunction:
    """The loss function of a model on batches that are pairs (inputs, targets).

    Args:
      model: a layer.
      loss: ``loss(outputs, targets)``, unreduced, such as `softmax_cross_entropy`;
        what is minimized is its mean. Outputs of 16 bits are given to it in float32.
      metrics: further functions of outputs and targets, such as `accuracy`, whose
        means are reported under their names.

    Returns:
      ``loss_fn(params, state, batch, *, key, train) -> (loss, (state, metrics))``,
      where metrics is a dict of scalars with `loss` among them.
    """
    named = dict(metrics or {})

    def loss_fn(
        params: Any, state: Any, batch: Any, *, key: jax.Array | None, train: bool
    ) -> tuple[jax.Array, tuple[Any, Metrics]]:
        inputs, targets = batch
        outputs, state = model.apply(params, state, inputs, key=key, train=train)
        outputs = jax.tree.map(_wide, outputs)
        mean = loss(outputs, targets).mean()
        means = {name: f(outputs, targets).mean() for name, f in named.items()}
        return mean, (state, {"loss": mean, **means})

    return loss_fn


def _wide(outputs: jax.Array) -> jax.Array:
    """In 16 bits a loss has two or three digits, and a mean of many loses them."""
    narrow = jnp.issubdtype(outputs.dtype, jnp.floating) and outputs.dtype.itemsize < 4
    return outputs.astype(jnp.float32) if narrow else outputs
