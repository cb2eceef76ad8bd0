"""Units in the last place, against the neighbours of each dtype's numbers."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from funcnn._ulps import errors_in_ulps, unit_in_last_place

DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@every_dtype
def test_the_unit_is_the_distance_to_the_next_number_away_from_zero(dtype):
    info = jnp.finfo(dtype)
    tiny, top = float(info.tiny), float(info.max)
    values = np.array([0, info.smallest_subnormal, tiny, 0.75, 1, 3, top / 4])
    values = np.concatenate([values, -values]).astype(dtype)
    away = np.where(values < 0, -np.inf, np.inf).astype(dtype)
    gaps = np.nextafter(values, away).astype(np.float64) - values.astype(np.float64)
    units = unit_in_last_place(values.astype(np.float64), dtype)
    np.testing.assert_array_equal(units, np.abs(gaps))


@every_dtype
def test_beyond_the_range_the_unit_is_that_of_the_end(dtype):
    top = float(jnp.finfo(dtype).max)
    ends = np.array([top, min(2.0 * top, 1.7e308), 0.0, 1e-320])
    units = unit_in_last_place(ends, dtype)
    assert units[1] == units[0]
    if dtype is not np.float64:
        assert units[2] == units[3] == float(jnp.finfo(dtype).smallest_subnormal)


@every_dtype
def test_errors_are_counted_in_steps_of_the_dtype(dtype):
    steps = np.array([1.0]).astype(dtype)
    for _ in range(5):
        steps = np.append(steps, np.nextafter(steps[-1], np.array(2, dtype)))
    errors = errors_in_ulps(steps.astype(np.float64), np.ones(6), dtype)
    np.testing.assert_array_equal(errors, np.arange(6))


def test_what_is_not_finite():
    computed = np.array([np.nan, np.inf, np.inf, -np.inf, 1, np.nan])
    true = np.array([1, 1, 1e39, 1e39, np.nan, np.inf])
    errors = errors_in_ulps(computed, true, np.float32)
    expected = [np.inf, np.inf, 0, np.inf, np.nan, np.nan]
    np.testing.assert_array_equal(errors, expected)


def test_the_largest_error_has_a_place():
    assert errors_in_ulps(np.array([1e308]), np.array([0.0]), np.float64) == [1e300]
