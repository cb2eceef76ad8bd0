"""A model of a billion parameters, split over 16 and over 64 chips."""

import json

import pytest
from accelerators import ONE
from commands import run

pytestmark = [pytest.mark.accelerators, pytest.mark.exhaustive]

PARAMETERS = 1_041_836_032
OF_EACH = 3 * 4  # bytes: itself and Adam's two moments, in float32


def report(chips):
    options = ["--partition", "fsdp", "--precision", "bfloat16", "--batch-size", chips]
    target = f"{ONE.removesuffix(':1')}:{chips}"
    command = ["compile", "--target", target, "transformer-1b", "--json"]
    done = run(*command, *options, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_memory_falls_with_the_number_of_chips():
    reports = {chips: report(chips) for chips in (16, 64)}
    for chips, found in reports.items():
        assert found["fits"]
        share = PARAMETERS * OF_EACH / chips
        assert found["memory"]["arguments"] == pytest.approx(share, rel=0.1)
