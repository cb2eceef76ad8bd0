"""Every rule over all its cases: its backward pass, transposed, is the tangent map."""

import jax
import pytest
from matrix import NAMES, a_third, assert_near, cases, pullback

import funcnn as fn


@pytest.mark.parametrize("name", a_third(NAMES, 1))
def test_forward_mode(name):
    for case in cases(name):
        both, direction = fn.forward_mode(case.manual), case.direction()
        assert_near(
            _push(both, case.floats, direction),
            _push(case.automatic, case.floats, direction),
            where=case.name,
        )
        cotangent = case.cotangent()
        assert_near(
            pullback(both, case.floats, cotangent),
            pullback(case.manual, case.floats, cotangent),
            1e-12,
            case.name,
        )


def _push(f, floats, direction):
    return jax.jit(lambda x, t: jax.jvp(f, x, t)[1])(floats, direction)
