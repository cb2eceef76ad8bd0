"""Hostile files: a result or an error of ours is what may come of each."""

import os
import pathlib
import subprocess
import sys

import hypothesis
import pytest
import typer

from benchmarks.fuzz._command import fuzz
from benchmarks.fuzz._meters import ENVIRONMENT, Traced
from benchmarks.fuzz._target import NotSurvivedError, Target, attempt
from benchmarks.fuzz._targets import TARGETS

INPUTS = 600


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_hostile_files_are_survived(name, tmp_path):
    target, folder, meter = TARGETS[name], tmp_path / "input", Traced()
    share = INPUTS * target.share // sum(t.share for t in TARGETS.values())
    assert attempt(target, target.valid, folder, meter).kind == "result"
    kinds = set()

    @hypothesis.settings(
        max_examples=share,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(target.inputs)
    def survived(files):
        kinds.add(attempt(target, files, folder, meter).kind)

    survived()
    assert kinds - {"result"}, "nothing was refused"


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param(5_000, marks=pytest.mark.slow),
        pytest.param(100_000, marks=pytest.mark.exhaustive),
    ],
)
def test_many_hostile_files_are_survived(tmp_path, inputs):
    words = ["--inputs", str(inputs), "--out", tmp_path / "saved"]
    done = subprocess.run([sys.executable, "-m", "benchmarks.fuzz", *words], text=True)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("parse", "words"),
    [
        (lambda folder: {}["x"], "KeyError"),
        (lambda folder: bytes(64 << 20), "bytes of memory for 3"),
        (lambda folder: (folder.parent / "beside").write_text("x"), "open .*beside"),
        (lambda folder: (folder.parent / "beside").mkdir(), "os.mkdir .*beside"),
        (lambda folder: subprocess.run(["true"], check=True), "subprocess.Popen"),
    ],
)
def test_what_is_no_parsing_is_seen(tmp_path, parse, words):
    target = Target("x", hypothesis.strategies.none(), parse, (), {"x": b"abc"}, "x")
    with pytest.raises(NotSurvivedError, match=words):
        attempt(target, target.valid, tmp_path / "input", Traced())


def test_what_stays_in_the_folder_is_parsing(tmp_path):
    def parse(folder):
        pathlib.Path(folder, "y").write_bytes(pathlib.Path(folder, "x").read_bytes())

    target = Target("x", hypothesis.strategies.none(), parse, (), {"x": b"abc"}, "x")
    assert attempt(target, target.valid, tmp_path / "in", Traced()).kind == "result"


def test_no_such_parser_is_refused():
    with pytest.raises(typer.BadParameter, match="safetensors"):
        fuzz(only=["nothing"])


def test_memory_that_was_freed_is_counted_again():
    program = """
import funcnn
from benchmarks.fuzz._meters import Resident
for size in [30 << 20, 30 << 20, 30 << 20, 3 << 20, 3 << 20]:
    with Resident() as meter:
        bytes(bytearray(b"x") * size)
    print(meter.peak / size)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | ENVIRONMENT,
        check=True,
        cwd=pathlib.Path(__file__).parents[2],
    )
    assert all(1.9 < float(line) < 2.5 for line in done.stdout.split()), done.stdout
