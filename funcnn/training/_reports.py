"""What a step reports beside the loss: rates, skipped steps, norms of gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from funcnn.training._loss import Metrics


def optimizer_metrics(opt_state: Any) -> Metrics:
    """The rate, and what else is scheduled in `optax.inject_hyperparams`; `skipped`."""
    metrics: Metrics = {}
    for part in _parts(opt_state, "hyperparams"):
        names = part.hyperparams.keys() & {"learning_rate", *part.hyperparams_states}
        metrics |= {name: jnp.asarray(part.hyperparams[name]) for name in names}
    for part in _parts(opt_state, "last_finite"):
        metrics["skipped"] = (~part.last_finite).astype(jnp.float32)
    return metrics


def skips(opt_state: Any) -> bool:
    """Whether the optimizer is wrapped in `optax.apply_if_finite`."""
    return bool(_parts(opt_state, "last_finite"))


def gradient_norms_of(grads: Any) -> Metrics:
    """The norm of the gradient, and that of each layer's under its path."""
    layers: dict[str, list[jax.Array]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        name = jax.tree_util.keystr(path[:-1], simple=True, separator=".")
        layers.setdefault(name, []).append(leaf)
    norms = {f"gradient_norm/{k}": optax.tree.norm(v) for k, v in layers.items() if k}
    return {"gradient_norm": optax.tree.norm(grads), **norms}


def _parts(opt_state: Any, field: str) -> list[Any]:
    """The optimizer's states that have this field, wherever they are."""

    def has_it(part: Any) -> bool:
        return hasattr(part, "_fields") and field in part._fields

    found = [p for p in jax.tree.leaves(opt_state, is_leaf=has_it) if has_it(p)]
    inner = [q for p in found for value in p for q in _parts(value, field)]
    return found + inner
