"""What rounding may do to a derivative that cannot be had without it."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from funcnn.gradients.checker._evaluation import Evaluation
from funcnn.gradients.checker._witnesses import is_inexact

_UNITS = 8.0  # in the last place of a term
_SMALL = 1e-3  # of what the inputs usually are: no smaller ones are divided by


def noise(
    evaluation: Evaluation,
    x: np.ndarray,
    cotangents: Sequence[np.ndarray],
    outputs: Sequence[np.ndarray],
) -> np.ndarray:
    """How far rounding alone may put the cotangent of an input off, entry by entry.

    The terms of a derivative may cancel, as in a normalization, and what is left of
    them in float32 is rounding, by the rule as by automatic differentiation. The
    terms are about as large as cotangent times output over input.

    Args:
      evaluation: of a rule; nothing is rounded if it is lifted to float64.
      x: the input.
      cotangents: of the outputs.
      outputs: those.
    """
    if evaluation.exact or not x.size:
        return np.zeros(x.shape)
    dtypes = [a.dtype for a in (*evaluation.avals, *evaluation.types)]
    eps = max(float(jnp.finfo(t).eps) for t in dtypes if is_inexact(t))
    terms = max(map(_largest, map(np.multiply, cotangents, outputs)), default=0.0)
    size = np.abs(np.where(np.isfinite(x), x, 0.0))
    usual = float(np.sqrt(np.mean(size**2))) or 1.0
    return _UNITS * eps * terms / np.maximum(size, _SMALL * usual)


def _largest(array: Any) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
