"""The table of rules on accelerators, from a worker that compiles nothing."""

import json
import sys

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.accelerators._command import ratios

# Prints what the real one does, of workloads that are called as it is.
WORKER = """\
import json, sys
_, target, names = sys.argv[-3:]
for name in names.split(","):
    us = None if target.startswith("gpu") else 10.0
    rule = dict(temporaries=0, bytes=2e6, microseconds=us, compiling=1.0, notes=[])
    other = rule | {"temporaries": 10**6, "microseconds": us and us / 2}
    print(json.dumps({"name": name, "rule": rule, "automatic": other}))
"""


@pytest.fixture
def interpreter(tmp_path):
    path = tmp_path / "python"
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    path.chmod(0o755)
    return path


def run(out, *arguments):
    command = ["accelerators", "--out", str(out), *map(str, arguments)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_both_targets_stand_in_one_table(tmp_path, interpreter):
    run(tmp_path, "--tpu-python", interpreter, "--names", "relu,tanh")
    text = run(tmp_path, "--gpu-python", interpreter, "--names", "relu")
    assert "On tpu:v5e:1 2 of 2 rules need over 5 % more: relu, tanh." in text
    assert "On gpu:h100:1 0 of 1 rules need over 5 % more." in text
    record = json.loads((tmp_path / "accelerators.json").read_text())
    assert set(record["targets"]["tpu:v5e:1"]) == {"relu", "tanh"}
    assert set(record["targets"]["gpu:h100:1"]) == {"relu"}
    assert "10.00" in (tmp_path / "accelerators.md").read_text()


def test_without_an_interpreter_nothing_is_measured(tmp_path):
    assert "nothing is measured" in run(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rule", "automatic", "ratio"),
    [(0, 0, 1.0), (9_000, 0, 1.0), (100_000, 50_000, 2.0), (50_000, 0, float("inf"))],
)
def test_temporaries_beneath_a_hundredth_of_the_bytes_are_equal(rule, automatic, ratio):
    figures = {"bytes": 1e6, "microseconds": 1.0, "notes": []}
    row = {
        "rule": figures | {"temporaries": rule},
        "automatic": figures | {"temporaries": automatic},
    }
    assert ratios(row).temporaries == ratio
    assert ratios(row).worst == max(1.0, ratio)


def test_times_of_loops_are_not_compared():
    figures = {"bytes": 1e6, "microseconds": 1.0, "temporaries": 0, "notes": []}
    looped = figures | {"microseconds": 9.0, "notes": ["that of loops that run once"]}
    assert ratios({"rule": looped, "automatic": figures}).microseconds is None
    assert ratios({"rule": figures, "automatic": looped}).worst == 1.0
