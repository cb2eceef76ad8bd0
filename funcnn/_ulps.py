"""Errors in units in the last place."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

_MOST = 1e300  # so that an error is infinite only where a number is


def unit_in_last_place(values: NDArray[np.float64], dtype: Any) -> NDArray[np.float64]:
    """Give the distance between neighbours of a dtype where values are.

    Args:
        values: float64 of any shape, finite; may be beyond the dtype's largest.
        dtype: any floating dtype that JAX has, such as bfloat16.

    Returns:
        float64 of the same shape: the distance from the largest power of two that is
        not above |value| to the next number of the dtype; at least the smallest
        subnormal number.
    """
    info = jnp.finfo(dtype)
    # frexp has mantissas from 1/2 to 1
    exponent = np.frexp(values)[1].astype(np.int64) - 1
    exponent = np.where(values == 0, info.minexp, exponent)
    exponent = np.clip(exponent, info.minexp, info.maxexp - 1)
    return np.ldexp(1.0, (exponent - info.nmant).astype(np.int32))


def errors_in_ulps(
    computed: NDArray[np.float64], true: NDArray[np.float64], dtype: Any
) -> NDArray[np.float64]:
    """Measure how far numbers are from the true ones.

    Args:
        computed: float64 of shape (n,), of values that `dtype` holds.
        true: float64 of shape (n,).
        dtype: the floating dtype in which `computed` was computed.

    Returns:
        float64 of shape (n,), in units in the last place of the true value in
        `dtype`, at most 1e300: infinite where `computed` is not finite, but 0 where
        the true value rounds to that infinity; NaN where `true` is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = true.astype(dtype).astype(np.float64)
        unit = unit_in_last_place(np.where(np.isfinite(true), true, 1.0), dtype)
        errors = np.minimum(np.abs(computed - true) / unit, _MOST)
    errors = np.where(np.isfinite(computed), errors, np.inf)
    errors = np.where(np.isinf(computed) & (computed == rounded), 0.0, errors)
    return np.where(np.isfinite(true), errors, np.nan)
