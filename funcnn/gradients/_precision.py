"""How many digits of a rule's gradient are right, beside those of autodiff's."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_ROUNDING = 1e-12  # of the truth, where numbers of order 1 cancel


class Errors(NamedTuple):
    """Of one argument's cotangent at one point.

    Attributes:
      largest: the truth's largest entry.
      manual: the rule's largest error; infinite where it is no number.
      automatic: that of automatic differentiation.
    """

    largest: float
    manual: float
    automatic: float


def in_both_precisions(
    manual: Callable[..., Any], automatic: Callable[..., Any]
) -> Callable[..., Any]:
    """A function of floats and a cotangent, to be traced with float64 enabled.

    Args:
      manual: the rule, as a function of the arrays that are differentiated.
      automatic: the function whose derivative it declares.

    Returns:
      ``run(floats, cotangent)``: the rule's output and cotangents, the automatic
      cotangents, and these in float64 at the same inputs, which is the truth.
    """

    def run(floats: tuple[Any, ...], cotangent: Any) -> Any:
        exact, wide = jax.tree.map(lambda x: x.astype(jnp.float64), (floats, cotangent))
        output, pull = jax.vjp(manual, *floats)
        return (
            (output, pull(cotangent)),
            jax.vjp(automatic, *floats)[1](cotangent),
            jax.vjp(automatic, *exact)[1](wide),
        )

    return run


def errors(manual: Any, automatic: Any, truth: Any) -> Errors:
    """Those of one cotangent, in low precision, against the truth in float64."""
    truth = np.asarray(truth, np.float64)
    largest = float(abs(truth).max(initial=0))
    return Errors(largest, _error(manual, truth), _error(automatic, truth))


def _error(gradient: Any, truth: np.ndarray) -> float:
    difference = abs(np.asarray(gradient, np.float64) - truth)
    largest = np.nan_to_num(difference, nan=np.inf).max(initial=0)
    return max(float(largest) - _ROUNDING, 0.0)


def worst_in_ulps(rows: Sequence[Errors], dtype: Any) -> tuple[float, float]:
    """The worst errors of all points, manual and automatic.

    In units in the last place of the largest entry at that point, or of the median
    over the points if that is more: a point may have one entry alone, at which all
    terms cancel.
    """
    info = jnp.finfo(dtype)
    table = np.array(rows, np.float64).reshape(-1, 3)
    median = np.median(table[:, 0]) if len(table) else 0.0
    largest = np.maximum(table[:, 0], median).clip(float(info.tiny))
    units = float(info.eps) * 2.0 ** np.floor(np.log2(largest))
    manual, automatic = (table[:, 1:] / units[:, None]).max(0, initial=0)
    return float(manual), float(automatic)
