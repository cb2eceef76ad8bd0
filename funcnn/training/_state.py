"""What training changes, and carries from step to step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class TrainState(NamedTuple):
    """All that training changes, as arrays.

    The number of steps done, the model's parameters and state, the optimizer's
    state, and the key that draws come from. The key stays as it is: step n draws
    from `jax.random.fold_in(key, n)`.
    """

    step: jax.Array
    params: Any
    state: Any
    opt_state: Any
    key: jax.Array

    @classmethod
    def create(
        cls,
        model: Any,
        optimizer: optax.GradientTransformation,
        key: jax.Array,
        x: jax.Array | jax.ShapeDtypeStruct,
    ) -> "TrainState":
        """The state before the first step, for inputs shaped like the batch `x`."""
        init_key, train_key = jax.random.split(key)
        x = jax.ShapeDtypeStruct(x.shape, jax.dtypes.canonicalize_dtype(x.dtype))
        params, state = jax.jit(lambda key: model.init(key, x))(init_key)
        opt_state = jax.jit(optimizer.init)(params)
        return cls(jnp.zeros((), jnp.int32), params, state, opt_state, train_key)
