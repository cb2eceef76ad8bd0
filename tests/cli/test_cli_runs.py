"""`funcnn runs`: what was trained in a folder, and how it went."""

import json
import math
import subprocess
import sys

import pytest
from commands import invoke, run
from run_folders import checkpoint, run_folder

from funcnn.training import Checkpoints


def table(output):
    """The rows by their name, as columns are separated by two spaces or more."""
    header, *rows = [line for line in output.splitlines() if line and "---" not in line]
    names = (
        "run model optimizer epochs state test accuracy test loss seconds checkpoint"
    )
    assert header.split() == names.split()
    return {row.split()[0]: " ".join(row.split()[1:]) for row in rows}


def test_done_ended_and_running(tmp_path):
    run_folder(tmp_path / "1-done")
    checkpoint(tmp_path / "1-done", 30)
    run_folder(tmp_path / "2-ended", done=2)
    for step in (9, 99_999_999, 100_000_000, 20):
        checkpoint(tmp_path / "2-ended", step)
    run_folder(tmp_path / "3-begun", done=0)
    run_folder(tmp_path / "4-running", done=1)
    with Checkpoints(tmp_path / "4-running" / "checkpoints").opened():
        done = invoke("runs", tmp_path)
        assert done.exit_code == 0, done.output
        assert done.stderr == ""
        assert table(done.stdout) == {
            "1-done": "mlp adam 3/3 done 75.00% 0.3333 4.5 00000030",
            "2-ended": "mlp adam 2/3 ended early 50.00% 0.5000 3.0 100000000",
            "3-begun": "mlp adam 0/3 ended early 0.0",
            "4-running": "mlp adam 1/3 running 25.00% 1.0000 1.5",
        }
    assert "1/3 ended early" in table(invoke("runs", tmp_path).stdout)["4-running"]


def test_a_run_of_another_process_is_running(tmp_path):
    """Even if that was stopped, and until it ends, however it does."""
    run_folder(tmp_path / "run", done=1)
    hold = f"""
import sys
from pathlib import Path
from funcnn.training._checkpoints._lock import locked
folder = Path({str(tmp_path / "run" / "checkpoints")!r})
folder.mkdir()
with locked(folder):
    print("held", flush=True)
    sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold], **pipes) as process:
        process.stdout.readline()
        assert " running " in invoke("runs", tmp_path).stdout
        process.kill()
    assert " ended early " in invoke("runs", tmp_path).stdout


def test_looking_changes_nothing(tmp_path):
    run_folder(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    invoke("runs", tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_lines_of_json(tmp_path):
    run_folder(tmp_path / "a", done=2, test_loss=lambda n: math.nan)
    run_folder(tmp_path / "b", done=0)
    done = invoke("runs", tmp_path, "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {
            "run": "a",
            "model": "mlp",
            "optimizer": "adam",
            "epochs": "2/3",
            "state": "ended early",
            "test accuracy": 0.5,
            "test loss": None,
            "seconds": 3.0,
            "checkpoint": None,
        },
        {
            "run": "b",
            "model": "mlp",
            "optimizer": "adam",
            "epochs": "0/3",
            "state": "ended early",
            "test accuracy": None,
            "test loss": None,
            "seconds": 0,
            "checkpoint": None,
        },
    ]


@pytest.mark.parametrize("content", ["{", "[]", "\xff", None])
def test_a_damaged_run_is_named_and_the_others_are_listed(tmp_path, content):
    run_folder(tmp_path / "1")
    (tmp_path / "2-damaged").mkdir()
    if content is not None:
        (tmp_path / "2-damaged" / "config.json").write_bytes(content.encode("latin-1"))
    run_folder(tmp_path / "3")
    (tmp_path / "a file").touch()
    done = invoke("runs", tmp_path)
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"funcnn: {tmp_path / '2-damaged'}")
    assert list(table(done.stdout)) == ["1", "3"]
    assert invoke("runs", tmp_path, "--json").exit_code == 1


def test_damaged_records_are_left_out(tmp_path):
    file = run_folder(tmp_path / "run", done=2) / "metrics.jsonl"
    with open(file, "a") as metrics:
        metrics.write('7\n{"epoch": 3, "test_acc')
    done = invoke("runs", tmp_path)
    assert done.exit_code == 0
    assert "2/3 ended early 50.00%" in table(done.stdout)["run"]


def test_figures_that_are_none_are_not_shown(tmp_path):
    file = run_folder(tmp_path / "run", done=0) / "metrics.jsonl"
    file.write_text('{"epoch": 3, "seconds": "long", "test_accuracy": [1]}\n')
    done = invoke("runs", tmp_path)
    assert done.exit_code == 0, done.output
    assert table(done.stdout)["run"] == "mlp adam 3/3 done 0.0"


def test_a_folder_that_is_not_there_and_one_without_runs(tmp_path):
    done = invoke("runs", tmp_path / "nothing")
    assert done.exit_code == 1
    assert done.stderr == f"funcnn: {tmp_path / 'nothing'}: no such folder\n"
    done = invoke("runs", tmp_path)
    assert (done.exit_code, done.stdout) == (0, f"no runs in {tmp_path}\n")


@pytest.mark.slow
def test_a_real_run(trained):
    folder = trained[1].rsplit("/", 1)[0]
    done = run("runs", folder)
    assert done.returncode == 0, done.stderr
    assert "mlp adam 2/2 done" in next(iter(table(done.stdout).values()))
