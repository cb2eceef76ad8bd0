"""`funcnn train`, run as a person runs it."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
from commands import SMALL, TINY, run, run_folder_of
from safetensors.numpy import load_file
from shares import a_share


def test_what_it_says(trained):
    done, folder = trained
    for words in [
        "40 training and 20 test images",
        "Chain[1].Dense",  # the model's summary
        "train accuracy",
        "accuracy in %",  # the curves
        "float64",  # the comparison of gradients
        "1.kernel",
        "test accuracy",
        folder,
    ]:
        assert words in done.stdout + done.stderr
    assert "epoch 2/2" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr  # plain, as this is no terminal


def test_what_it_writes(trained):
    folder = pathlib.Path(trained[1])
    assert sorted(p.name for p in folder.iterdir()) == [
        "checkpoints",
        "config.json",
        "curves.png",
        "metrics.jsonl",
        "mistakes.png",
        "params.safetensors",
    ]
    config = json.loads((folder / "config.json").read_text())
    assert config["epochs"] == 2
    assert config["model"] == "mlp"
    assert config["image_shape"] == [12, 12, 1]
    rows = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["test_accuracy"] > 0.9
    weights = load_file(folder / "params.safetensors")
    assert weights["params.1.kernel"].shape == (144, 128)
    for name in ("curves.png", "mistakes.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_gradients_agree_in_float64(trained):
    rows = [r for r in trained[0].stdout.splitlines() if r.startswith(("1.", "3."))]
    assert len(rows) == 4
    assert all(row.endswith("OK") for row in rows)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_in_a_folder_of_its_own(
    trained, images_folder
):
    first = pathlib.Path(trained[1])
    again = run("train", "--data-dir", images_folder, "--out", first.parent, *SMALL)
    second = pathlib.Path(run_folder_of(again.stdout))
    assert second.parent == first.parent
    assert second != first
    weights = [(f / "params.safetensors").read_bytes() for f in (first, second)]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_automatic_gradients_train_alike(trained, images_folder, tmp_path):
    options = ["--data-dir", images_folder, "--out", tmp_path, *SMALL]
    done = run("train", *options, "--gradients", "automatic")
    assert done.returncode == 0, done.stderr
    folders = pathlib.Path(trained[1]), pathlib.Path(run_folder_of(done.stdout))
    manual, automatic = (load_file(f / "params.safetensors") for f in folders)
    for name, value in manual.items():
        np.testing.assert_allclose(value, automatic[name], rtol=0.01, atol=1e-3)
    config = json.loads((folders[1] / "config.json").read_text())
    assert config["gradients"] == "automatic"


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", a_share(["sgd", "adamw", "momentum"], 3))
def test_every_optimizer_learns(images_folder, tmp_path, optimizer):
    options = ["--data-dir", images_folder, "--out", tmp_path, "--optimizer", optimizer]
    done = run("train", *options, *SMALL, "--epochs", "4", "--schedule", "constant")
    assert done.returncode == 0, done.stderr
    accuracy = done.stdout.rsplit("test accuracy ", 1)[1].split("%")[0]
    assert float(accuracy) >= 90


def _started(images_folder, out, *options):
    options = ["--data-dir", images_folder, "--out", out, *TINY, *options]
    command = [sys.executable, "-m", "funcnn", "train", *map(str, options)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.startswith("epoch"):
            return process
    raise AssertionError(process.stdout.read())


def test_ctrl_c_saves_what_was_learned(images_folder, tmp_path):
    process = _started(images_folder, tmp_path, "--model", "mlp", "--epochs", "100000")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    (folder,) = tmp_path.iterdir()
    assert "interrupted after" in output
    assert f"saved in {folder}" in output
    assert load_file(folder / "params.safetensors")
    assert (folder / "metrics.jsonl").read_text().count("\n") >= 1
    assert "Traceback" not in errors


@pytest.mark.slow
def test_no_folder_to_write_to_is_an_error_before_training(images_folder, tmp_path):
    file = tmp_path / "file"
    file.touch()
    done = run("train", "--data-dir", images_folder, "--out", file / "runs", *SMALL)
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "epoch" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_full_disk_leaves_what_was_saved(images_folder, tmp_path):
    """Files may not grow beyond 64 KiB (32 in some shells); the weights need more."""
    options = ["--data-dir", images_folder, "--out", tmp_path, *SMALL]
    limited = ["sh", "-c", 'ulimit -f 64 && exec "$@"', "sh"]
    done = run("train", *options, prefix=limited)
    assert done.returncode == 1
    assert "params.safetensors" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = tmp_path.iterdir()
    # nothing half written, and what was written before is whole
    names = ["checkpoints", "config.json", "metrics.jsonl"]
    assert sorted(p.name for p in folder.iterdir()) == names
    assert [p.name for p in (folder / "checkpoints").iterdir()] == [".lock"]
    assert "goes on without a checkpoint" in done.stderr
    assert json.loads((folder / "config.json").read_text())["epochs"] == 2
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "train-images-idx3-ubyte").unlink(), ["train-images-idx3"]),
        (
            lambda f: _cut(f / "t10k-images-idx3-ubyte"),
            ["t10k-images-idx3-ubyte", "truncated"],
        ),
        (
            lambda f: (f / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip"),
            ["train-labels-idx1-ubyte.gz", "gzip"],
        ),
    ],
)
def test_damaged_files_are_one_line_and_exit_code_1(
    images_folder, tmp_path, spoil, words
):
    folder = tmp_path / "idx"
    folder.mkdir()
    for file in images_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    spoil(folder)
    done = run("train", "--data-dir", folder, "--out", tmp_path / "runs")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "runs").exists()


def _cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def test_help_explains():
    done = run("train", "--help", env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0
    for words in ["--data-dir", "--gradients", "--out", "Ctrl-C", "IDX", "cosine"]:
        assert words in done.stdout


def test_options_out_of_range_are_refused():
    for option, value in [("--epochs", "0"), ("--rate", "-1"), ("--data", "cifar")]:
        done = run("train", option, value)
        assert done.returncode == 2
        assert option in done.stderr


def test_a_batch_larger_than_the_data(images_folder, tmp_path):
    options = ["--data-dir", images_folder, "--batch-size", "41", "--out", tmp_path]
    done = run("train", *options)
    assert done.returncode == 1
    assert "41" in done.stderr
    assert "40" in done.stderr
