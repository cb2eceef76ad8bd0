"""The leaves of two gradients, entry by entry."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from funcnn._ulps import unit_in_last_place
from funcnn.plots.finite import LARGEST, drawable


@dataclass(frozen=True)
class GradientLeaf:
    """One leaf of both gradients.

    Attributes:
        name: its path in the tree.
        manual: float64 of shape (n,), the entries that are finite in both.
        automatic: float64 of shape (n,), the same entries.
        ulps: float64 of shape (n,), their differences in units in the last place of
            the largest automatic entry, or manual one where all automatic are 0.
        finite: bool, which entries of the leaf these are.
    """

    name: str
    manual: NDArray[np.float64]
    automatic: NDArray[np.float64]
    ulps: NDArray[np.float64]
    finite: NDArray[np.bool_]

    @property
    def worst(self) -> float:
        """The largest error; an entry that is not finite is worse than any."""
        return np.inf if not self.finite.all() else float(self.ulps.max(initial=0.0))


def paired_leaves(manual: Any, automatic: Any) -> list[GradientLeaf]:
    """Check two gradients, and pair their leaves.

    Args:
        manual: a pytree of arrays of floats.
        automatic: a pytree of the same structure and shapes.

    Returns:
        The leaves in their order.

    Raises:
        ValueError: if the structures or the shapes differ.
        TypeError: if a leaf is not of floats.
    """
    structures: list[Any] = [jax.tree.structure(tree) for tree in (manual, automatic)]
    if structures[0] != structures[1]:
        raise ValueError(
            "manual and automatic must have one structure, got "
            f"{structures[0]} and {structures[1]}."
        )
    paths = jax.tree_util.tree_leaves_with_path(manual)
    others = jax.tree.leaves(automatic)
    return [
        _leaf(jax.tree_util.keystr(path, simple=True, separator="."), one, other)
        for (path, one), other in zip(paths, others, strict=True)
    ]


def _leaf(name: str, one: Any, other: Any) -> GradientLeaf:
    """Check one leaf, and measure its errors."""
    manual, automatic = np.asarray(one), np.asarray(other)
    where = f"leaf {name!r}" if name else "the gradient"
    if manual.shape != automatic.shape:
        raise ValueError(
            f"{where} must have one shape in manual and automatic, got "
            f"{manual.shape} and {automatic.shape}."
        )
    for array in (manual, automatic):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(f"{where} must be of floats, got {array.dtype}.")
    wide = [array.astype(np.float64).ravel() for array in (manual, automatic)]
    finite = drawable(wide[0]) & drawable(wide[1])
    kept, held = wide[0][finite], wide[1][finite]
    # Where the automatic gradient is 0, its last place would be the smallest number.
    known = held if held.any() else kept
    largest = np.abs(known).max(initial=0.0, keepdims=True)
    with np.errstate(over="ignore"):
        ulps = np.abs(kept - held) / unit_in_last_place(largest, manual.dtype)
    ulps = np.minimum(ulps, LARGEST)
    return GradientLeaf(name or "gradient", kept, held, ulps, finite)
