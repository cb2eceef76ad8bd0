"""`funcnn predict`, run as a person runs it."""

import json
import shutil

import numpy as np
import pytest
from commands import run
from idx_files import idx
from PIL import Image
from shares import a_share_of_rows


@pytest.fixture
def pictures(tmp_path):
    """PNGs of both classes, and of class 1 in dark on bright, larger, in colour."""
    left = np.zeros((12, 12), np.uint8)
    left[1:-1, 1:6] = 250
    Image.fromarray(left).save(tmp_path / "left.png")
    Image.fromarray(left[:, ::-1]).save(tmp_path / "right.png")
    large = Image.fromarray(255 - left[:, ::-1]).resize((48, 48)).convert("RGB")
    large.save(tmp_path / "dark.png")
    return tmp_path


@pytest.mark.slow
def test_pictures(trained, pictures):
    names = [pictures / f"{name}.png" for name in ("left", "right", "dark")]
    done = run("predict", trained[1], *names)
    assert done.returncode == 0, done.stderr
    rows = [line.split("  ") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == [str(name) for name in names]
    assert [row[1] for row in rows] == ["0", "1", "1"]
    assert all(50 < float(row[2].rstrip("%")) <= 100 for row in rows)


def test_idx_files(trained, images_folder):
    done = run("predict", trained[1], images_folder / "t10k-images-idx3-ubyte")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 20
    assert "idx3-ubyte[19]" in done.stdout


def test_unreadable_files_are_named_and_the_others_classified(trained, pictures):
    (pictures / "text.png").write_text("no picture")
    (pictures / "small-idx").write_bytes(idx(0x08, np.zeros((2, 5, 5), np.uint8)))
    files = [pictures / n for n in ("text.png", "left.png", "gone.png", "small-idx")]
    done = run("predict", trained[1], *files)
    assert done.returncode == 1
    assert done.stdout.startswith(str(files[1]))
    errors = done.stderr.splitlines()
    for line, name, fault in [
        (errors[0], "text.png", "not an image"),
        (errors[1], "gone.png", "No such file"),
        (errors[2], "small-idx", "12 x 12"),
    ]:
        assert name in line
        assert fault in line
    assert len(errors) == 3


def _no_config(folder):
    (folder / "config.json").unlink()


def _config_of_another_kind(folder):
    (folder / "config.json").write_text(json.dumps({"model": "transformer"}))


def _config_with(**changed):
    def spoil(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changed))

    return spoil


def _config_that_is_not_json(folder):
    (folder / "config.json").write_text("{")


def _weights_of_another_model(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model": "cnn"}))


def _damaged_weights(folder):
    (folder / "params.safetensors").write_bytes(b"damaged")


def _no_weights(folder):
    (folder / "params.safetensors").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "words"),
    a_share_of_rows(
        {
            "weights of another model": (
                _weights_of_another_model,
                ["params.0.kernel is missing"],
            ),
            "no config": (_no_config, ["no run folder"]),
            "config of another kind": (
                _config_of_another_kind,
                ["config.json", 'model is damaged: "transformer"', "not mlp or cnn"],
            ),
            "classes of another kind": (
                _config_with(classes=3),
                [
                    "config.json",
                    "classes is damaged: 3 is not a list of up to 256 names",
                ],
            ),
            "a shape too large": (
                _config_with(image_shape=[2048, 2048, 2]),
                ["[2048, 2048, 2] is not [height, width, channels]"],
            ),
            "config that is not JSON": (
                _config_that_is_not_json,
                ["config.json", "not JSON"],
            ),
            "damaged weights": (
                _damaged_weights,
                ["params.safetensors", "not a safetensors file"],
            ),
            "no weights": (_no_weights, ["params.safetensors", "No such file"]),
        },
        3,
    ),
)
def test_runs_that_cannot_be_loaded(trained, pictures, tmp_path, spoil, words):
    folder = tmp_path / "run"
    shutil.copytree(trained[1], folder)
    spoil(folder)
    done = run("predict", folder, pictures / "left.png")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.slow
def test_a_name_alone_says_what_there_is():
    assert "predict" in run().stdout + run().stderr
    assert run("--version").stdout.startswith("funcnn ")
