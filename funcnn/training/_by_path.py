"""Optimizers by the paths of parameters, and freezing."""

from collections.abc import Mapping
from typing import Any

import jax
import optax

from funcnn._paths import first_fits, named

FROZEN = optax.set_to_zero()


def by_path(
    optimizers: Mapping[str, optax.GradientTransformation],
    default: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """An optimizer of its own for the parameters whose path fits a pattern.

    Paths are those of `save_weights` without the first word, such as ``0.kernel`` or
    ``2.layers.1.bias``; patterns are those of `fnmatch`, such as ``*.bias`` or
    ``0.*``, and the first that fits is taken. `FROZEN` keeps parameters as they are:

        by_path({"0.*": FROZEN, "*.bias": optax.sgd(0.1)}, default=optax.adam(1e-3))

    Args:
      optimizers: Optax transformations by pattern.
      default: for parameters that no pattern fits.

    Raises:
      ValueError: of `init`, for a pattern that no parameter fits first, with the paths.
    """
    by_label = {**optimizers, "default": default}
    if "default" in optimizers:
        raise ValueError("a pattern cannot be called 'default'")

    def labels(params: Any) -> Any:
        fits = first_fits("by_path", named(params), optimizers)
        fitting = [pattern or "default" for pattern in fits.values()]
        return jax.tree.unflatten(jax.tree.structure(params), fitting)

    return optax.partition(by_label, labels)
