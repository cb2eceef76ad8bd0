"""`funcnn train --resume`: a run that was ended ends like one that was not."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from commands import invoke, run_folder_of
from idx_files import idx

EPOCHS = 40
STEPS = 5 * EPOCHS


def options(images_folder):
    words = ["--data-dir", images_folder, "--model", "mlp", "--batch-size", "8"]
    return [*words, "--epochs", EPOCHS]


@pytest.fixture(scope="module")
def whole(images_folder, tmp_path_factory):
    """The folder of the run that nothing happened to."""
    out = tmp_path_factory.mktemp("whole")
    done = invoke("train", *options(images_folder), "--out", out)
    assert done.exit_code == 0, done.stderr
    return pathlib.Path(run_folder_of(done.stdout))


@pytest.fixture(scope="module")
def terminated(images_folder, tmp_path_factory):
    """A run that was sent SIGTERM: exit code, both outputs, and the folder."""
    out = tmp_path_factory.mktemp("terminated")
    words = ["train", *options(images_folder), "--out", out]
    command = [sys.executable, "-m", "funcnn", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        next(line for line in process.stderr if line.startswith("epoch"))
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=300)
    (folder,) = out.iterdir()
    return process.returncode, output, errors, folder


@pytest.fixture
def ended(terminated, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(terminated[-1], tmp_path / "runs" / terminated[-1].name)


def records(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    timed = {"seconds", "examples_per_second"}
    return [{k: v for k, v in r.items() if k not in timed} for r in lines]


def content(folder):
    """All files of a folder but the lock."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
    return {p.relative_to(folder): p.read_bytes() for p in files}


def refused(folder, *words, code=1):
    """What a resume says that changes nothing."""
    before = content(folder)
    done = invoke("train", "--resume", folder, *words)
    assert done.exit_code == code, done.output
    assert content(folder) == before
    (line,) = done.stderr.strip().splitlines()
    return line


def test_sigterm_saves_and_says_how_to_go_on(terminated):
    code, output, errors, folder = terminated
    assert code == 143, errors
    assert f"saved in {folder}" in output
    assert f"to go on: funcnn train --resume {folder}" in output.splitlines()
    assert "Traceback" not in errors
    steps = max(int(path.name) for path in (folder / "checkpoints").glob("[0-9]*"))
    assert f"interrupted after {steps:,} steps" in output
    assert 5 <= steps < STEPS
    assert not (folder / "curves.png").exists()  # who sent it will not wait


def test_a_resumed_run_is_one_that_was_never_ended(whole, ended):
    assert 1 <= len(records(ended)) < EPOCHS
    done = invoke("train", "--resume", ended)
    assert done.exit_code == 0, done.stderr
    assert run_folder_of(done.stdout) == str(ended)
    weights = [(f / "params.safetensors").read_bytes() for f in (ended, whole)]
    assert weights[0] == weights[1]
    assert records(ended) == records(whole)
    assert [record["epoch"] for record in records(ended)] == list(range(1, EPOCHS + 1))
    assert (ended / "mistakes.png").exists()
    assert list(ended.parent.iterdir()) == [ended]  # no folder of its own


def test_a_run_that_is_done_is_shown_and_left_as_it_is(whole):
    before = {k: v for k, v in content(whole).items() if k.suffix != ".png"}
    done = invoke("train", "--resume", whole)
    assert done.exit_code == 0, done.stderr
    assert "epoch" not in done.stderr
    assert "test accuracy" in done.stdout
    assert before.items() <= content(whole).items()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--batch-size", "16", "--batch-size was 8, not 16"),
        ("--model", "cnn", "--model was mlp, not cnn"),
        ("--seed", "1", "--seed was 0, not 1"),
        ("--epochs", "70", "--epochs was 40, not 70"),
        ("--clip", "1", "--clip was None, not 1.0"),
        ("--precision", "bfloat16", "--precision was float32, not bfloat16"),
        ("--rate", "0.01", "--rate was 0.002, not 0.01"),
    ],
)
def test_other_options_are_refused_with_the_difference(ended, option, value, words):
    line = refused(ended, option, value, code=2)
    assert f"{ended} cannot be resumed with other options: {words}" in line


def test_all_that_differs_is_said_and_what_is_equal_is_not(ended):
    words = ["--seed", "7", "--model", "mlp", "--epochs", "3", "--optimizer", "adam"]
    line = refused(ended, *words, code=2)
    assert line.endswith(": --epochs was 40, not 3; --seed was 0, not 7")


def test_other_data_is_refused(ended, images_folder, tmp_path):
    other = shutil.copytree(images_folder, tmp_path / "other")
    images = np.zeros((40, 12, 12), np.uint8)
    (other / "train-images-idx3-ubyte").write_bytes(idx(0x08, images))
    line = refused(ended, "--data-dir", other)
    assert "the run had other settings: train_data_sha256 was" in line


@pytest.mark.slow
def test_the_same_data_elsewhere_is_the_same_data(
    ended, whole, images_folder, tmp_path
):
    moved = shutil.copytree(images_folder, tmp_path / "moved")
    done = invoke("train", "--resume", ended, "--data-dir", moved)
    assert done.exit_code == 0, done.stderr
    weights = [(f / "params.safetensors").read_bytes() for f in (ended, whole)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("name", ["nothing", "."])
def test_no_such_run(tmp_path, name):
    (tmp_path / "a-file").touch()
    done = invoke("train", "--resume", tmp_path / name)
    assert done.exit_code == 1
    assert done.stderr.strip().endswith("no run folder: no config.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-file"]


def test_a_run_with_results_but_no_checkpoint_is_left_as_it_is(ended):
    shutil.rmtree(ended / "checkpoints")
    line = refused(ended)
    assert f"{ended} has no checkpoint to go on from" in line
    assert "`funcnn predict` takes its parameters" in line
    (ended / "params.safetensors").unlink()  # the records are results too
    assert "no checkpoint to go on from" in refused(ended)


@pytest.mark.slow
def test_a_run_that_was_killed_before_its_first_epoch_begins_anew(ended, whole):
    shutil.rmtree(ended / "checkpoints")
    for name in ("params.safetensors", "metrics.jsonl"):
        (ended / name).unlink()
    done = invoke("train", "--resume", ended)
    assert done.exit_code == 0, done.stderr
    weights = [(f / "params.safetensors").read_bytes() for f in (ended, whole)]
    assert weights[0] == weights[1]
    assert records(ended) == records(whole)


def damaged(**changes):
    return lambda text: json.dumps(json.loads(text) | changes)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:-9], "not JSON"),
        (lambda text: "[1]", "must hold an object"),
        (lambda text: "[" * 100_000, "not JSON"),
        (damaged(epochs="many"), "epochs is damaged: 'many' is not of the type int"),
        (damaged(epochs=0), "epochs is damaged: 0 is less than 1"),
        (damaged(epochs=True), "epochs is damaged: True is not of the type int"),
        (damaged(model="gpt"), "model is damaged: 'gpt' is not a valid ModelName"),
        (damaged(clip=-1.0), "clip is damaged: -1.0 is less than 0"),
        (damaged(rate=float("nan")), "rate is damaged: nan is less than 0"),
        (damaged(seed=2**32), "seed is damaged: 4294967296 is more than 4294967295"),
    ],
)
def test_a_damaged_configuration(ended, damage, words):
    file = ended / "config.json"
    file.write_text(damage(file.read_text()))
    line = refused(ended)
    assert str(file) in line
    assert words in line
