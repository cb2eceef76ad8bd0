"""Optimizers by the paths of parameters, and freezing."""

import fnmatch
from collections.abc import Mapping
from typing import Any

import jax
import optax

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
    named = {**optimizers, "default": default}
    if len(named) == len(optimizers):
        raise ValueError("a pattern cannot be called 'default'")

    def labels(params: Any) -> Any:
        def label(path: Any, leaf: Any) -> str:
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            return next(
                (p for p in optimizers if fnmatch.fnmatchcase(name, p)), "default"
            )

        found = jax.tree_util.tree_map_with_path(label, params)
        unused = optimizers.keys() - set(jax.tree.leaves(found))
        if unused:
            paths = [
                jax.tree_util.keystr(path, simple=True, separator=".")
                for path, _ in jax.tree_util.tree_leaves_with_path(params)
            ]
            raise ValueError(
                f"by_path: no parameter is left for {', '.join(sorted(unused))}; "
                f"there are {', '.join(paths)}"
            )
        return found

    return optax.partition(named, labels)
