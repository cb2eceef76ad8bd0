"""The smaller parts of the benchmarks, each as short as can be."""

import json

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import PARTS, app
from benchmarks.train_time import _command as train_time


def run(folder, *arguments):
    done = CliRunner().invoke(app, [*arguments, "--out", str(folder)])
    assert done.exit_code == 0, done.output
    assert (folder / f"{arguments[0]}.md").exists()
    return done.stdout, json.loads((folder / f"{arguments[0]}.json").read_text())


def test_dispatch_has_each_step_in_each_round(tmp_path):
    text, record = run(tmp_path, "dispatch", "--rounds", "2", "--calls", "3")
    assert len(record["funcnn's step"]) == len(record["bare jax.jit of it"]) == 2
    assert "funcnn's over it" in text


def test_rules_are_measured_beside_automatic_differentiation(tmp_path):
    names = "drop_path,spectral_norm"
    text, record = run(tmp_path, "rules", "--names", names, "--seconds", "0")
    assert [row["name"] for row in record["rows"]] == ["spectral_norm", "drop_path"]
    for row in record["rows"]:
        assert row["ratio"] > 0
        assert row["rule"]["saved"] <= row["automatic"]["saved"] + 8  # a key
    assert "geometric mean" in text


def test_a_workload_that_there_is_not_is_refused(tmp_path):
    arguments = ["rules", "--names", "nothing", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "nothing" in done.output


@pytest.mark.slow
def test_compile_time_is_measured_at_each_depth(tmp_path):
    text, record = run(tmp_path, "compile", "--rounds", "1", "--depths", "1,2")
    kinds = {(row["depth"], row["residual"]) for row in record["rows"]}
    assert kinds == {(1, False), (1, True), (2, False), (2, True)}
    assert all(len(row["seconds"]) == 1 for row in record["rows"])
    assert "jax.numpy" in text


@pytest.mark.slow
def test_import_time_is_that_beyond_jax_and_optax(tmp_path):
    _, record = run(tmp_path, "imports", "--rounds", "1")
    assert record["seconds"]["funcnn"][0] < record["seconds"]["import jax, optax"][0]


def test_a_package_that_training_misses_is_said(tmp_path, monkeypatch):
    def seconds(command):
        ours = command[0] == "funcnn"
        return [{"seconds": 2.0, "accuracy": 0.98}] if ours else []

    monkeypatch.setattr(train_time, "_run", seconds)
    text, record = run(tmp_path, "train", "--rounds", "2")
    assert len(record["runs"]["funcnn train"]) == 2
    assert "not installed: pip install 'funcnn[benchmarks]'" in text


@pytest.mark.slow
def test_checkpoints_are_measured_beside_none(tmp_path):
    options = ["--rounds", "2", "--batch-sizes", "4", "--steps", "500"]
    text, record = run(tmp_path, "checkpoints", *options)
    assert set(record["seconds"]["4"]) == {"with", "without"}
    for seconds in record["seconds"]["4"].values():
        assert len(seconds) == 2
        assert all(own > 0 for times in seconds for own in times)
    assert all(own > 0 for own in record["one_checkpoint"])
    assert set(record["resident_bytes"]) == {"100", "500"}
    for words in ["processor", "ratio", "after 500"]:
        assert words in text


def test_without_a_name_all_parts_run(monkeypatch):
    ran = []
    for name in PARTS:
        monkeypatch.setitem(PARTS, name, lambda name=name: ran.append(name))
    assert CliRunner().invoke(app, []).exit_code == 0
    assert ran == list(PARTS)
