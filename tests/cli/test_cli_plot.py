"""`funcnn plot`: a figure of several runs, in the terminal and as PNG."""

import math

import pytest
from commands import invoke
from PIL import Image
from run_folders import run_folder


def size_of(file):
    with Image.open(file) as image:
        image.load()
        return image.size


def test_two_runs_in_the_terminal(tmp_path):
    first, second = run_folder(tmp_path / "first"), run_folder(tmp_path / "second")
    done = invoke("plot", first, second)
    assert done.exit_code == 0, done.output
    for words in ["test_accuracy", "test_loss", "first", "second", "epoch"]:
        assert words in done.stdout
    assert "\x1b" not in done.stdout  # this is no terminal
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "second"]


def test_the_scale_is_that_of_the_figures(tmp_path):
    steep = run_folder(tmp_path / "steep", norm=lambda n: 1000.0 * n)
    done = invoke("plot", steep, "--metric", "norm")
    assert "3000" in done.stdout.replace(",", "").replace("3.00e+03", "3000")
    assert "test_loss" not in done.stdout


def test_a_picture_of_each_figure(tmp_path):
    runs = [run_folder(tmp_path / name) for name in ("first", "second")]
    out = tmp_path / "compared.png"
    done = invoke("plot", *runs, "--out", out)
    assert done.exit_code == 0, done.output
    for name in ("test_accuracy", "test_loss"):
        file = tmp_path / f"compared-{name}.png"
        assert f"saved in {file}" in done.stdout
        width, height = size_of(file)
        assert width > 400
        assert height > 300
    assert not out.exists()
    again = invoke("plot", runs[0], "--out", out, "--metric", "test_loss")
    assert again.exit_code == 0


def test_a_picture_that_cannot_be_written(tmp_path):
    first = run_folder(tmp_path / "first")
    done = invoke("plot", first, "--out", tmp_path / "nowhere" / "compared.png")
    assert done.exit_code == 1
    assert f"{tmp_path / 'nowhere'}/compared-test_accuracy.png: No such" in done.stderr


def test_a_figure_that_there_is_not(tmp_path):
    done = invoke("plot", run_folder(tmp_path / "first"), "--metric", "accuracy")
    assert done.exit_code == 2
    assert done.stderr == (
        "funcnn: first has no accuracy; it has seconds, test_accuracy, test_loss\n"
    )


def test_a_run_without_an_epoch(tmp_path):
    first, begun = run_folder(tmp_path / "first"), run_folder(tmp_path / "b", done=0)
    done = invoke("plot", first, begun)
    assert done.exit_code == 2
    assert done.stderr == f"funcnn: {begun}: no epoch has been finished\n"


def test_what_is_no_run(tmp_path):
    done = invoke("plot", run_folder(tmp_path / "first"), tmp_path)
    assert done.exit_code == 1
    assert done.stderr == f"funcnn: {tmp_path}: no run folder: no config.json\n"


def test_two_runs_of_one_name_are_told_apart(tmp_path):
    runs = [run_folder(tmp_path / parent / "run") for parent in ("here", "there")]
    done = invoke("plot", *runs, run_folder(tmp_path / "other"))
    assert done.exit_code == 0, done.output
    names = f"o here/run   x there/run   + {tmp_path.name}/other"
    assert done.stdout.splitlines()[1] == names


def test_many_runs_are_drawn_as_a_picture_alone(tmp_path):
    runs = [run_folder(tmp_path / f"run-{n}") for n in range(7)]
    options = ["--metric", "test_loss", "--out", tmp_path / "all.png"]
    done = invoke("plot", *runs, *options)
    assert done.exit_code == 0, done.output
    assert "test_loss: 7 runs, too many for the terminal" in done.stdout
    assert size_of(tmp_path / "all-test_loss.png")


def test_gaps_and_damage_are_left_out(tmp_path):
    losses = lambda n: math.nan if n == 2 else 1 / n  # noqa: E731
    folder = run_folder(tmp_path / "run", test_loss=losses)
    with open(folder / "metrics.jsonl", "a") as metrics:
        metrics.write('{"epoch": "4", "test_loss": 0.1}\n{"epoch"')
    done = invoke("plot", folder, "--metric", "test_loss")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("done", [1, 2])
def test_a_run_of_few_epochs(tmp_path, done):
    result = invoke("plot", run_folder(tmp_path / "run", done=done))
    assert result.exit_code == 0, result.output
