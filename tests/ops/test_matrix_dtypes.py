"""Every rule over all its cases: dtypes, and digits in low precision."""

import collections

import jax
import jax.numpy as jnp
import pytest
from matrix import NAMES, cases, together
from shares import a_share

from funcnn.gradients._precision import errors, in_both_precisions, worst_in_ulps

DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]


@pytest.mark.parametrize("name", a_share(NAMES, 36, 8))
def test_dtypes_and_digits(name):
    """A cotangent has its primal's dtype, and is right to the dtype's last digits.

    The truth is the declared derivative in float64, at the same inputs. The worst
    error of all cases, in units of the last place, is at most that of automatic
    differentiation, and two.
    """
    known = [case for dtype in DTYPES for case in cases(name, dtype=dtype)]
    inputs = [(case.floats, case.cotangent()) for case in known]
    found = together(
        [in_both_precisions(case.manual, case.automatic) for case in known], inputs
    )
    rows = collections.defaultdict(list)
    for case, ((output, got), automatic, truth) in zip(known, found, strict=True):
        expected_types = jax.eval_shape(case.at(case.op.reference), *case.floats)
        assert jax.tree.map(_type, output) == jax.tree.map(_type, expected_types)
        assert [_type(g) for g in got] == [_type(x) for x in case.floats], case.name
        for index, (g, a, t) in enumerate(zip(got, automatic, truth, strict=True)):
            rows[f"argument {index}", g.dtype].append(_checked(case, g, a, t))
    for (argument, dtype), found_errors in rows.items():
        manual, automatic = worst_in_ulps(found_errors, dtype)
        assert manual <= automatic + 2, (argument, dtype, manual, automatic)


def _type(array):
    return array.shape, jnp.dtype(array.dtype).name


def _checked(case, manual, *others):
    """The errors of a cotangent, which is right by itself to 8 units."""
    info = jnp.finfo(manual.dtype)
    found = errors(manual, *others)
    assert found.largest < info.max, f"{case.name}: a case that overflows"
    bound = 8 * float(info.eps) * found.largest + float(info.tiny)
    assert found.manual <= bound, (case.name, found, bound, manual, others)
    return found
