"""A moving average of the parameters, to be evaluated in their place."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from funcnn.training._state import TrainState


class AverageState(NamedTuple):
    """The sum of the parameters with falling weights, and that of the weights."""

    weight: jax.Array
    average: Any


def average_params(
    optimizer: optax.GradientTransformation, decay: float
) -> optax.GradientTransformation:
    """The optimizer, which also keeps an exponential average of the parameters.

    After step n it is a_n = decay a_(n-1) + (1 - decay) p_n with a_0 = 0, kept in
    float32 or wider; `averaged_params` gives a_n / (1 - decay^n), in which the weights
    add up to 1 (Kingma & Ba, 2015, section 3). Optax's `ema` is that of updates.

    Args:
      optimizer: what changes the parameters.
      decay: from 0, the parameters themselves, to less than 1.

    Raises:
      ValueError: for another decay.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay must be from 0 to less than 1, got {decay}")

    def init(params: Any) -> tuple[Any, AverageState]:
        zeros = jax.tree.map(lambda p: jnp.zeros(p.shape, _wide(p)), params)
        return optimizer.init(params), AverageState(jnp.zeros(()), zeros)

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> Any:
        inner, (weight, average) = state
        extended = optax.with_extra_args_support(optimizer)
        updates, inner = extended.update(updates, inner, params, **extra)
        new = optax.apply_updates(params, updates)
        wide = jax.tree.map(lambda p: p.astype(_wide(p)), new)
        average = optax.incremental_update(wide, average, 1 - decay)
        weight = decay * weight + (1 - decay)
        return updates, (inner, AverageState(weight, average))

    return optax.GradientTransformationExtraArgs(init, update)


def averaged_params(train_state: TrainState) -> Any:
    """The average that `average_params` keeps, in the parameters' dtypes.

    Raises:
      ValueError: when the optimizer keeps none, or no step was done.
    """

    def is_average(part: Any) -> bool:
        return isinstance(part, AverageState)

    parts = jax.tree.leaves(train_state.opt_state, is_leaf=is_average)
    found = [part for part in parts if is_average(part)]
    if len(found) != 1 or not found[0].weight > 0:
        raise ValueError("averaged_params: needs average_params, and one step or more")
    weight, average = found[0]
    return jax.tree.map(
        lambda a, p: (a / weight).astype(p.dtype), average, train_state.params
    )


def _wide(leaf: jax.Array) -> jnp.dtype:
    return jnp.promote_types(leaf.dtype, jnp.float32)
