"""Two processes train to the single process's result, end together, and go on."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow
SCRIPT = pathlib.Path(__file__).with_name("one_of_many.py")
HERE = os.pathsep.join([str(SCRIPT.parent), str(SCRIPT.parents[2])])


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(folder, processes, dies=False):
    """What each process told, and what all of them wrote to the standard error."""
    folder.mkdir(exist_ok=True)
    port, environment = str(free_port()), {**os.environ, "PYTHONPATH": HERE}
    commands = [
        [sys.executable, "-W", "error", SCRIPT, str(rank), str(processes), port]
        for rank in range(processes)
    ]
    started = [
        subprocess.Popen(
            [*command, str(int(dies)), folder],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    errors = [process.communicate(timeout=600)[1] for process in started]
    assert not any(process.returncode for process in started), "\n".join(errors)
    told = [(folder / f"told{rank}.json").read_text() for rank in range(processes)]
    return [json.loads(text) for text in told], errors


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {n: (folder / str(n), *run(folder / str(n), n)) for n in (1, 2)}


def test_two_processes_come_to_the_single_process_s_result(runs):
    (one, (alone,), _), (two, told, _) = runs[1], runs[2]
    assert len(told) == 2
    assert told[0]["figures"] == told[1]["figures"]
    for got, wanted in zip(told[0]["figures"], alone["figures"], strict=True):
        assert got == pytest.approx(wanted, abs=1e-6)
    assert_same_weights(one, two)


def assert_same_weights(one, other):
    a, b = (load_file(folder / "weights.safetensors") for folder in (one, other))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], atol=1e-6, err_msg=name)


def test_each_process_reads_only_its_own_rows(runs):
    _, told, _ = runs[2]
    assert [each["rows"] for each in told] == [[*range(8, 16)], [*range(8)]]


def test_only_the_first_process_shows_and_writes(runs):
    folder, _, (first, second) = runs[2]
    assert first.count("train loss") == 3
    assert "train loss" not in second
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3
    paths = (folder / "checkpoints").glob("0*")
    assert sorted(int(path.name) for path in paths) == [3, 4, 6, 8, 9, 12]


def test_all_say_where_the_first_nan_is(runs):
    ((alone,), _), (told, _) = (runs[n][1:] for n in (1, 2))
    words = alone["not_finite"]
    assert "argument" in words
    assert "2, 3, 0)" in words
    assert [each["not_finite"] for each in told] == [words, words]


def test_a_signal_to_one_ends_all_after_the_same_step_and_the_run_goes_on(
    runs, tmp_path
):
    told, _ = run(tmp_path / "run", 2, dies=True)
    assert all(each["interrupted"] for each in told)
    assert told[0]["step"] == told[1]["step"] in range(4, 8)
    told, _ = run(tmp_path / "run", 2)
    assert told[0]["step"] == 12
    files = (f / "weights.safetensors" for f in (runs[2][0], tmp_path / "run"))
    whole, again = map(load_file, files)
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def test_one_process_goes_on_with_what_two_have_written(runs, tmp_path):
    run(tmp_path / "run", 2, dies=True)
    (told,), _ = run(tmp_path / "run", 1)
    assert told["step"] == 12
    assert_same_weights(runs[1][0], tmp_path / "run")
