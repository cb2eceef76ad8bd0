"""Every rule over all its cases: its backward pass, transposed, is the tangent map."""

import jax
import pytest
from matrix import LINEAR, assert_near, cases, pullback, together
from shares import a_share

import funcnn as fn


@pytest.mark.parametrize("name", a_share(LINEAR, 24, 12))
def test_forward_mode(name):
    known = list(cases(name))
    inputs = [(case.floats, case.direction(), case.cotangent()) for case in known]
    found = together([_both_ways(case) for case in known], inputs)
    for case, (tangents, pulled) in zip(known, found, strict=True):
        assert_near(*tangents, where=case.name)
        assert_near(*pulled, 1e-12, case.name)


def _both_ways(case):
    both = fn.forward_mode(case.manual)

    def run(floats, direction, cotangent):
        tangents = [jax.jvp(f, floats, direction)[1] for f in (both, case.automatic)]
        pulled = [pullback(f)(floats, cotangent) for f in (both, case.manual)]
        return tangents, pulled

    return run
