"""One jitted step of training."""

from collections.abc import Callable
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh
from jax.typing import DTypeLike

from funcnn._memory import keep_freed_memory
from funcnn.training._gradients import accumulated, in_precision
from funcnn.training._loss import LossFunction, Metrics
from funcnn.training._places import places_on
from funcnn.training._reports import gradient_norms_of, optimizer_metrics, skips
from funcnn.training._state import TrainState, check_needs_mesh

Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]


class StepOptions(TypedDict, total=False):
    """The options of `make_step`, which `fit` takes too."""

    accumulate: int
    precision: DTypeLike | None
    remat: bool
    gradient_norms: bool
    stop_at_nonfinite: bool
    mesh: Mesh | None
    partition: Any


def make_step(
    loss_fn: LossFunction,
    optimizer: optax.GradientTransformation,
    *,
    accumulate: int = 1,
    precision: DTypeLike | None = None,
    remat: bool = False,
    gradient_norms: bool = False,
    stop_at_nonfinite: bool = False,
    mesh: Mesh | None = None,
    partition: Any = None,
) -> Step:
    """A jitted `step(train_state, batch) -> (train_state, metrics)`.

    It is traced once for each shape of batch, is one dispatch to the device, and
    donates the train state: the one that was passed in must not be used again. On CPU
    freed memory stays with the process: see `keep_freed_memory`.

    Beside those of `loss_fn`, the metrics have the rate and whatever else is scheduled
    in `optax.inject_hyperparams`, and `skipped`, 1 or 0, where the optimizer is wrapped
    in `optax.apply_if_finite`. Clipping, schedules, weight decay and all else that
    changes updates are Optax's; see `by_path` for freezing and optimizers by path, and
    `average_params` for an average of the parameters.

    Args:
      loss_fn: ``loss_fn(params, state, batch, *, key, train)``, which gives
        ``(loss, (state, metrics))``; see `supervised`.
      optimizer: any Optax transformation.
      accumulate: in how many parts the batch is gone through, one after the other,
        for the memory of one; loss, gradients and metrics are the means over them.
        Where the loss is a mean over examples that do not know of each other (no
        batch norm, no dropout) the step is that of the whole batch, but for rounding.
      precision: bfloat16, for instance: parameters and inputs of wider floats are
        rounded to it for the loss and its gradient. What is trained, the optimizer's
        numbers and the model's state keep their own dtypes. float16 is refused, for
        its gradients vanish without a scale.
      remat: whether the forward pass is made again for the backward pass and nothing
        of it kept (`jax.checkpoint`); the layer `Remat` does so in parts.
      gradient_norms: whether the metrics have the norm of the gradient, as
        `gradient_norm`, and of each layer's, as `gradient_norm/PATH`.
      stop_at_nonfinite: whether a step whose loss or gradient has a NaN or an infinity
        leaves everything as it was, and so does every later one: `step` of the train
        state is then ``-1 - n``, where n steps had been done. With
        `optax.apply_if_finite` it is the update that has to be finite. The metrics
        have `finite`, a boolean.
      mesh: over whose devices the step runs, each with its part of the batch; the
        loss is that of the whole batch, and statistics of batch norm are too. See
        `funcnn.parallel.make_mesh`, and `shard_batch` for batches of several hosts.
      partition: how the parameters are split over the mesh, as for
        `TrainState.create`; the new train state is split as the old one.

    Raises:
      ValueError: of the step, when the batch has no `accumulate` equal parts for each
        device, or the partition does not fit; of `make_step`, for a precision that is
        no float of 16 bits or more, or float16, or a partition without a mesh.
    """
    value = in_precision(loss_fn, precision)
    check_needs_mesh(mesh, partition)
    places = places_on(mesh, partition)
    gradients = accumulated(
        jax.checkpoint(value) if remat else value, accumulate, places
    )

    def step(train_state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        if jax.default_backend() == "cpu":
            keep_freed_memory()
        train_state = places.train_state(train_state)
        batch = places.batch(batch, accumulate)
        count, params, state, opt_state, key = train_state
        with places.traced(batch, accumulate):
            grads, (state, metrics) = gradients(
                params, state, batch, jax.random.fold_in(key, count)
            )
        # So that the update's bits are the same whatever else looks at the gradient.
        grads = lax.optimization_barrier(grads)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        metrics = metrics | optimizer_metrics(opt_state)
        if gradient_norms:
            metrics = metrics | gradient_norms_of(grads)
        new = TrainState(
            count + 1, optax.apply_updates(params, updates), state, opt_state, key
        )
        if stop_at_nonfinite:
            watched = updates if skips(opt_state) else (grads, metrics["loss"])
            metrics["finite"] = _all_finite(watched)
            new = _kept_unless(metrics["finite"], new, train_state)
        return places.train_state(new), places.whole(metrics)

    return jax.jit(step, donate_argnums=0)


def _all_finite(tree: Any) -> jax.Array:
    return jnp.all(
        jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)])
    )


def _kept_unless(finite: jax.Array, new: TrainState, old: TrainState) -> TrainState:
    """The new state, or from the first one that is not finite on, the old one."""
    good = finite & (old.step >= 0)
    state: TrainState = optax.tree.where(good, new, old)
    stopped = jnp.where(old.step < 0, old.step, -1 - old.step)
    return state._replace(step=jnp.where(good, new.step, stopped), key=old.key)
