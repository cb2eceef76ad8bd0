"""What rules do on other platforms, done here: the same value and gradient."""

import jax
import pytest
from matrix import NAMES, cases, pullback
from shares import a_share
from test_matrix_gradients import test_value_and_gradient as check_value_and_gradient


@pytest.fixture(params=["tpu", "cuda"])
def elsewhere(request, branches_of):
    """Takes the branches of a TPU or GPU."""
    return branches_of(request.param)


@pytest.mark.parametrize("name", a_share(NAMES, 12, 1))
def test_value_and_gradient_elsewhere(name, elsewhere):
    for case in cases(name):
        jax.eval_shape(pullback(case.manual), case.floats, case.cotangent())
    if elsewhere:  # else this is the same test as on this platform
        check_value_and_gradient(name)


def test_a_choice_is_met(elsewhere):
    # without this the test above would prove nothing
    for name in "max_pool.max_pool", "conv.conv", "softmax.softmax":
        elsewhere.clear()
        case = next(cases(name))
        jax.eval_shape(pullback(case.manual), case.floats, case.cotangent())
        assert elsewhere
