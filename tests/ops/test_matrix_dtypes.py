"""Every rule over all its cases: dtypes, and digits in low precision."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import NAMES, cases, pullback, together

DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]
ROUNDING = 1e-12  # of the truth, where numbers of order 1 cancel


@pytest.mark.parametrize("name", NAMES)
def test_dtypes_and_digits(name):
    """A cotangent has its primal's dtype, and is right to the dtype's last digits.

    The truth is the declared derivative in float64, at the same inputs. The worst
    error of all cases, in units of the last place, is at most that of automatic
    differentiation, and two.
    """
    known = [case for dtype in DTYPES for case in cases(name, dtype=dtype)]
    inputs = [(case.floats, case.cotangent()) for case in known]
    found = together([_in_both_precisions(case) for case in known], inputs)
    errors = collections.defaultdict(list)
    for case, ((output, got), automatic, truth) in zip(known, found, strict=True):
        expected_types = jax.eval_shape(case.at(case.op.reference), *case.floats)
        assert jax.tree.map(_type, output) == jax.tree.map(_type, expected_types)
        assert [_type(g) for g in got] == [_type(x) for x in case.floats], case.name
        for index, (g, a, t) in enumerate(zip(got, automatic, truth, strict=True)):
            errors[f"argument {index}", g.dtype].append(_errors(case, g, a, t))
    for (argument, dtype), rows in errors.items():
        manual, automatic = _worst_in_units(np.array(rows), jnp.finfo(dtype))
        assert manual <= automatic + 2, (argument, dtype, manual, automatic)


def _in_both_precisions(case):
    def run(floats, cotangent):
        exact, wide = jax.tree.map(lambda x: x.astype(jnp.float64), (floats, cotangent))
        return (
            pullback(case.manual)(floats, cotangent),
            pullback(case.automatic)(floats, cotangent)[1],
            pullback(case.automatic)(exact, wide)[1],
        )

    return run


def _type(array):
    return array.shape, jnp.dtype(array.dtype).name


def _errors(case, manual, automatic, truth):
    """The truth's largest entry, and the largest error of both gradients."""
    info = jnp.finfo(manual.dtype)
    truth = np.asarray(truth, np.float64)
    largest = abs(truth).max(initial=0)
    assert largest < info.max, f"{case.name}: a case that overflows"
    error = _error(manual, truth)
    bound = 8 * float(info.eps) * largest + float(info.tiny)
    assert error <= bound, (case.name, error, bound, manual, truth)
    return largest, error, _error(automatic, truth)


def _error(gradient, truth):
    difference = abs(np.asarray(gradient, np.float64) - truth)
    largest = np.nan_to_num(difference, nan=np.inf).max(initial=0)
    return max(largest - ROUNDING, 0)


def _worst_in_units(rows, info):
    """Of all cases; that of a case's largest entry, or of the median over the cases.

    For a case may have one entry alone, at which all terms cancel.
    """
    largest = np.maximum(rows[:, 0], np.median(rows[:, 0])).clip(float(info.tiny))
    units = float(info.eps) * 2.0 ** np.floor(np.log2(largest))
    return (rows[:, 1:] / units[:, None]).max(0)
