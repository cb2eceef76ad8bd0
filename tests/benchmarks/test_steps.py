"""The steps of frameworks that take turns, with fakes in their places."""

import json
import pathlib
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.steps import _command, _rounds
from benchmarks.steps._frameworks import FRAMEWORKS, Framework
from benchmarks.steps._report import as_text
from benchmarks.steps._results import Measured, Result
from benchmarks.steps._rounds import measure
from benchmarks.steps._workloads import WORKLOADS

MLP = WORKLOADS["mlp"]


def fake(name, function="build", **options):
    return Framework(name, name, "numpy", f"fake_framework:{function}", **options)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fakes can be imported, also in place of the ceilings; turns are short."""
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    monkeypatch.setattr(_rounds, "_TURN", 0.02)
    for name in ("PRODUCT", "MEMORY"):
        monkeypatch.setattr(_rounds, name, fake(name))


def measured(*frameworks, rounds=2):
    result, said = Result(MLP), []
    measure(result, frameworks, rounds, said.append)
    return result, said


def test_each_takes_as_many_turns_as_there_are_rounds():
    result, said = measured(fake("funcnn"), fake("torch"), rounds=3)
    assert {n: len(e.seconds) for n, e in result.entries.items()} == {
        "funcnn": 3,
        "torch": 3,
    }
    assert result.entries["funcnn"].losses == [2 / n for n in range(1, 31)]
    assert 0.5 < result.of_torch < 2
    assert result.floor > 0
    assert said[-1] == "mlp: round 3 of 3"
    assert result.doubts() == []


def test_what_is_missing_or_broken_is_said_and_the_others_go_on():
    frameworks = fake("gone", "build_missing"), fake("broken", "build_broken")
    result, _ = measured(fake("funcnn"), *frameworks)
    assert list(result.timed) == ["funcnn"]
    text = as_text([result])
    assert "mlp: gone: not installed: pip install 'funcnn[benchmarks]'" in text
    assert "mlp: broken: failed: ValueError: kernels are round" in text


def test_who_does_something_else_is_named():
    frameworks = fake("stuck", "build_stuck"), fake("small", "build_small")
    result, _ = measured(fake("funcnn"), *frameworks)
    assert result.doubts() == [
        "mlp: the loss of stuck did not fall",
        "mlp: the losses do not fall alike",
        "mlp: small has 3 parameters, not 101,770",
    ]


def test_ratios_are_of_rounds_and_the_best_library_on_jax_is_found():
    def entry(name, *seconds, **options):
        return Measured(fake(name, **options), seconds=list(seconds))

    result = Result(MLP)
    result.entries = {
        "funcnn": entry("funcnn", 1.0, 2.0, 4.0),
        "slow": entry("slow", 4.0, 8.0, 16.0, on_jax=True),
        "fast": entry("fast", 2.0, 4.0, 2.0, on_jax=True),
    }
    assert result.ratio("slow") == 4
    assert result.best_on_jax == "fast"
    assert result.of_best_on_jax == 0.5
    assert result.of_torch is None
    assert result.floor is None


@pytest.fixture
def command(monkeypatch, tmp_path):
    names = ["funcnn", "torch"]
    fakes = {name: fake(name) for name in names}
    monkeypatch.setattr(_command, "chosen", lambda _: list(fakes.values()))

    def run(*options):
        arguments = ["steps", "--rounds", "2", "--out", str(tmp_path), *options]
        done = CliRunner().invoke(app, arguments)
        written = tmp_path / "steps.json"
        return done, json.loads(written.read_text()) if written.exists() else None

    return run


def test_the_command_writes_a_record_a_table_and_a_plot(command, tmp_path):
    done, record = command("--workloads", "mlp")
    assert done.exit_code == 0, done.output
    (workload,) = record["workloads"]
    assert workload["name"] == "mlp"
    assert len(workload["frameworks"]["torch"]["seconds"]) == 2
    assert "of PyTorch" in (tmp_path / "steps.md").read_text()
    assert (tmp_path / "steps.svg").read_text().startswith("<?xml")


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured(command, monkeypatch):
    def interrupted(line):
        if line == "cnn: round 2 of 2":
            raise KeyboardInterrupt

    monkeypatch.setattr(_command, "_say", interrupted)
    done, record = command("--workloads", "mlp,cnn,gpt")
    assert done.exit_code == 0, done.output
    turns = [
        (workload["name"], len(workload["frameworks"]["funcnn"]["seconds"]))
        for workload in record["workloads"]
    ]
    assert turns == [("mlp", 2), ("cnn", 1)]


def test_an_unknown_name_is_an_error_that_lists_the_known(command):
    done, record = command("--workloads", "mlp,cmm")
    assert done.exit_code == 2
    assert "cmm" in done.output
    assert record is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["funcnn", "plain-jax"])
def test_ours_and_plain_jax_train_the_smallest_net(name):
    result, _ = measured(FRAMEWORKS[name])
    assert result.entries[name].problem is None
    assert result.doubts() == []


def test_nothing_is_imported_before_it_is_measured():
    program = (
        "import benchmarks.__main__, sys; print({'jax', 'torch'} & {*sys.modules})"
    )
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root
    )
    assert done.stdout.strip() == "set()"
