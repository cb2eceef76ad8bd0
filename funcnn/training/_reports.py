"""What a step reports beside the loss: rates, skipped steps, norms of gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from funcnn.training._loss import Metrics

_SCHEDULED = "hyperparams_states"


def optimizer_metrics(opt_state: Any) -> Metrics:
    """The rate, and what else is scheduled in `optax.inject_hyperparams`; `skipped`."""
    metrics: Metrics = {}
    hyperparams = zip(_all(opt_state, "hyperparams"), _all(opt_state, _SCHEDULED))
    for values, scheduled in hyperparams:
        names = values.keys() & {"learning_rate", *scheduled}
        metrics |= {name: jnp.asarray(values[name]) for name in names}
    for finite in _all(opt_state, "last_finite"):
        metrics["skipped"] = (~finite).astype(jnp.float32)
    return metrics


def skips(opt_state: Any) -> bool:
    """Whether the optimizer is wrapped in `optax.apply_if_finite`."""
    return bool(_all(opt_state, "last_finite"))


def gradient_norms_of(grads: Any) -> Metrics:
    """The norm of the gradient, and that of each layer's under its path."""
    layers: dict[str, list[jax.Array]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        name = jax.tree_util.keystr(path[:-1], simple=True, separator=".")
        layers.setdefault(name, []).append(leaf)
    norms = {f"gradient_norm/{k}": optax.tree.norm(v) for k, v in layers.items() if k}
    return {"gradient_norm": optax.tree.norm(grads), **norms}


def _all(opt_state: Any, field: str) -> list[Any]:
    """That field of all the optimizer's states that have it."""
    return [value for _, value in optax.tree.get_all_with_path(opt_state, field)]
