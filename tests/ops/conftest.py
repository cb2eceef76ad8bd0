"""The matrix is computed in float64, where a wrong factor cannot hide in rounding."""

import jax
import pytest


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield
