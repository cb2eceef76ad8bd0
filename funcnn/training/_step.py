"""One jitted step of training, and what it carries on."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from funcnn._memory import keep_freed_memory

Metrics = dict[str, jax.Array]
LossFunction = Callable[..., tuple[jax.Array, tuple[Any, Metrics]]]
Step = Callable[["TrainState", Any], tuple["TrainState", Metrics]]


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


def supervised(
    model: Any,
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    metrics: Mapping[str, Callable[[jax.Array, jax.Array], jax.Array]] | None = None,
) -> LossFunction:
    """The loss function of a model on batches that are pairs (inputs, targets).

    Args:
      model: a layer.
      loss: ``loss(outputs, targets)``, unreduced, such as `softmax_cross_entropy`;
        what is minimized is its mean.
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
        mean = loss(outputs, targets).mean()
        means = {name: f(outputs, targets).mean() for name, f in named.items()}
        return mean, (state, {"loss": mean, **means})

    return loss_fn


def make_step(loss_fn: LossFunction, optimizer: optax.GradientTransformation) -> Step:
    """A jitted `step(train_state, batch) -> (train_state, metrics)`.

    It is traced once for each shape of batch, is one dispatch to the device, and
    donates the train state: the one that was passed in must not be used again. On CPU
    freed memory stays with the process: see `keep_freed_memory`.

    Args:
      loss_fn: ``loss_fn(params, state, batch, *, key, train)``, which gives
        ``(loss, (state, metrics))``; see `supervised`.
      optimizer: any Optax transformation.
    """

    def step(train_state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        if jax.default_backend() == "cpu":
            keep_freed_memory()
        count, params, state, opt_state, key = train_state
        gradient = jax.grad(loss_fn, has_aux=True)
        grads, (state, metrics) = gradient(
            params, state, batch, key=jax.random.fold_in(key, count), train=True
        )
        updates, opt_state = optimizer.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        return TrainState(count + 1, params, state, opt_state, key), metrics

    return jax.jit(step, donate_argnums=0)
