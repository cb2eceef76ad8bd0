"""Optimizers by the paths of parameters, and freezing."""

import fnmatch
from collections.abc import Mapping
from typing import Any

import jax
import optax

from funcnn.training._named_arrays import named

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
        paths = named(params)
        fitting = [
            next((p for p in optimizers if fnmatch.fnmatchcase(path, p)), "default")
            for path in paths
        ]
        unused = ", ".join(sorted(optimizers.keys() - set(fitting)))
        if unused:
            raise ValueError(
                f"by_path: no parameter is left for {unused}; "
                f"there are {', '.join(paths)}"
            )
        return jax.tree.unflatten(jax.tree.structure(params), fitting)

    return optax.partition(by_label, labels)
