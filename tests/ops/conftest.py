"""The matrix is computed in float64, where a wrong factor cannot hide in rounding."""

import jax
import pytest
from jax import lax


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def branches_of(monkeypatch):
    """Takes those of a platform, and returns what ops are going to choose between."""

    def take(platform):
        met = []

        def chosen(*args, default, **platforms):
            met.append(platforms)
            return platforms.get(platform, default)(*args)

        monkeypatch.setattr(lax, "platform_dependent", chosen)
        return met

    return take
