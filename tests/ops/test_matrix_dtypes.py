"""Every rule over all its cases: dtypes, and digits in low precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import NAMES, a_third, cases, pullback

DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("name", a_third(NAMES, 0))
def test_dtypes_and_digits(name, dtype):
    """A cotangent has its primal's dtype, and is right to the dtype's last digits.

    The truth is the same rule in float64, at the same inputs.
    """
    for low in cases(name, dtype=dtype):
        cotangent = low.cotangent()
        output, got = pullback(low.manual, low.floats, cotangent)
        expected_types = jax.eval_shape(low.at(low.op.reference), *low.floats)
        assert jax.tree.map(_type, output) == jax.tree.map(_type, expected_types)
        assert [_type(g) for g in got] == [_type(x) for x in low.floats], low.name
        exact = tuple(x.astype(np.float64) for x in low.floats)
        wide = jax.tree.map(lambda g: g.astype(np.float64), cotangent)
        _check_digits(low, got, pullback(low.manual, exact, wide)[1], dtype)


def _type(array):
    return array.shape, jnp.dtype(array.dtype).name


def _check_digits(case, got, truth, dtype):
    info = jnp.finfo(dtype)
    for g, t in zip(got, truth, strict=True):
        t = np.asarray(t, np.float64)
        assert abs(t).max(initial=0) < info.max, f"{case.name}: a case that overflows"
        error = abs(np.asarray(g, np.float64) - t).max(initial=0)
        bound = 8 * float(info.eps) * abs(t).max(initial=0) + float(info.tiny)
        assert error <= bound, (case.name, error, bound, g, t)
