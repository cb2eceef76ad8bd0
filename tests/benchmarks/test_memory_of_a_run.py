"""A run of 5,000 steps with checkpoints takes no more memory at its end."""

import pytest

from benchmarks.checkpoint_cost import resident

BOUND = 2e6  # bytes; each of the leaks below is beyond it
# What might be kept by mistake.
EACH_STEPS_METRICS = """
from funcnn.training._run import Epoch
kept, add = [], Epoch.add
Epoch.add = lambda self, metrics: (kept.append(metrics), add(self, metrics))
"""
EACH_CHECKPOINTS_ARRAYS = """
from funcnn.training._checkpoints import _contents
kept, on_host = [], _contents.on_host
_contents.on_host = lambda state: kept.append(on_host(state)) or kept[-1]
"""


def growth(spoil=""):
    before, after = resident(5000, spoil).values()
    return after - before


@pytest.mark.slow
def test_memory_does_not_grow():
    assert growth() < BOUND


@pytest.mark.slow
@pytest.mark.parametrize("leak", [EACH_STEPS_METRICS, EACH_CHECKPOINTS_ARRAYS])
def test_a_leak_would_be_seen(leak):
    assert growth(leak) > 2 * BOUND
