"""The options of `funcnn train` that say how it trains and what it writes beside."""

import gzip
import json
import pathlib

import chex
import jax.numpy as jnp
import pytest
from commands import invoke, run_folder_of
from event_files import scalars

from funcnn.cli import _train

BASE = ["--model", "mlp", "--batch-size", "8"]
PLAIN = ["--optimizer", "sgd", "--schedule", "constant", "--rate", "0.5"]
ALL = "--clip 1.5 --accumulate 2 --precision bfloat16 --skip-nonfinite 3".split()
STEPS = 7 * 5


@pytest.fixture(scope="module")
def with_all(images_folder, tmp_path_factory):
    """A run with all of the options: what was said, and its folder."""
    words = ["--data-dir", images_folder, "--out", tmp_path_factory.mktemp("runs")]
    words += [*BASE, *ALL, "--epochs", 7]
    beside = ["--checkpoint-every", 2, "--profile", "--tensorboard"]
    done = invoke("train", *words, *beside)
    assert done.exit_code == 0, done.stderr
    return done, pathlib.Path(run_folder_of(done.stdout))


class Called(Exception):
    """Training would begin now."""


@pytest.fixture
def given_to_fit(images_folder, tmp_path, monkeypatch):
    """The arguments that `fit` gets for these options."""

    def asked(*words):
        seen = []

        def fit(*arguments, **options):
            seen.extend([arguments, options])
            raise Called

        monkeypatch.setattr(_train, "fit", fit)
        out = ["--data-dir", images_folder, "--out", tmp_path / "runs"]
        done = invoke("train", *out, *BASE, *PLAIN, *words)
        assert isinstance(done.exception, Called), done.output
        return seen

    return asked


def update(arguments, gradient):
    """What the optimizer makes of gradients of one number throughout."""
    _, optimizer, *_ = arguments
    grads = {"a": jnp.full(4, gradient)}
    return optimizer.update(grads, optimizer.init(grads), grads)[0]["a"]


def test_clip_bounds_the_gradient_before_the_optimizer(given_to_fit):
    arguments, _ = given_to_fit("--clip", "3")
    # the norm of four numbers x is 2 x, so that of 300 becomes 3
    chex.assert_trees_all_close(update(arguments, 150.0), jnp.full(4, -0.5 * 1.5))
    chex.assert_trees_all_close(update(arguments, 1.5), jnp.full(4, -0.5 * 1.5))
    chex.assert_trees_all_close(update(arguments, 0.5), jnp.full(4, -0.25))


def test_without_clip_it_is_as_it_is(given_to_fit):
    arguments, options = given_to_fit()
    chex.assert_trees_all_close(update(arguments, 150.0), jnp.full(4, -75.0))
    assert (options["accumulate"], options["precision"]) == (1, "float32")


def test_accumulate_and_precision_are_the_steps(given_to_fit):
    _, options = given_to_fit("--accumulate", "4", "--precision", "bfloat16")
    assert (options["accumulate"], options["precision"]) == (4, "bfloat16")


def test_so_many_steps_in_a_row_are_left_out(given_to_fit):
    (_, optimizer, *_), _ = given_to_fit("--skip-nonfinite", "2")
    params = {"a": jnp.ones(3)}
    state, good, bad = optimizer.init(params), {"a": jnp.ones(3)}, {"a": jnp.ones(3)}
    bad["a"] = bad["a"].at[1].set(jnp.nan)
    for grads, kept in [(bad, 0), (bad, 0), (good, -0.5), (bad, 0), (bad, 0)]:
        updates, state = optimizer.update(grads, state, params)
        chex.assert_trees_all_close(updates["a"], jnp.full(3, kept, jnp.float32))
    updates, _ = optimizer.update(bad, state, params)
    assert jnp.isnan(updates["a"][1])  # the third in a row, which `fit` stops at


def test_checkpoints_are_where_they_were_asked_for(given_to_fit):
    _, options = given_to_fit("--checkpoint-every", "2")
    assert options["checkpoints"].every == 2
    _, options = given_to_fit()
    assert options["checkpoints"].every is None  # an epoch


@pytest.mark.slow
def test_a_checkpoint_every_two_steps(with_all):
    _, folder = with_all
    steps = {int(path.name) for path in (folder / "checkpoints").glob("[0-9]*")}
    # the newest two, and the best of those at an epoch's end
    assert {STEPS - 1, STEPS} <= steps
    assert len(steps) <= 3
    assert all(step % 5 == 0 for step in steps - {STEPS - 1})


def test_a_run_with_all_options_learns_and_remembers_them(with_all):
    done, folder = with_all
    assert "test accuracy 100.00%" in done.stdout
    config = json.loads((folder / "config.json").read_text())
    for option, value in zip(ALL[::2], ALL[1::2]):
        assert str(config[option[2:].replace("-", "_")]) == value
    line = invoke("train", "--resume", folder, "--accumulate", "4").stderr
    assert "--accumulate was 2, not 4" in line


def test_the_trace_is_one_that_perfetto_opens(with_all):
    done, folder = with_all
    (file,) = (folder / "profile").rglob("perfetto_trace.json.gz")
    assert f"for ui.perfetto.dev: {file}" in done.stdout
    trace = json.loads(gzip.decompress(file.read_bytes()))
    *events, last = trace["traceEvents"]
    assert last == {}  # so that each has a comma after it, which Perfetto takes
    assert all("ph" in event and "pid" in event for event in events)
    whole = [event for event in events if event["ph"] == "X"]
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in whole)
    calls = {}  # JAX may note a call twice, in Python and below
    for event in whole:
        if event["name"] == "PjitFunction(step)":
            calls.setdefault(event["tid"], []).append(event["ts"])
    (times,) = calls.values()
    assert len(times) in (20, 40)
    assert any(event.get("name") == "thread_name" for event in events)


def test_a_run_too_short_for_a_trace_says_so(images_folder, tmp_path):
    words = ["--data-dir", images_folder, "--out", tmp_path, *BASE, "--epochs", 1]
    done = invoke("train", *words, "--profile")
    assert done.exit_code == 0, done.stderr
    assert "no trace: the run has fewer than 10 steps" in done.stdout
    assert not list(tmp_path.rglob("*.json.gz"))


def test_tensorboard_has_what_the_lines_have(with_all):
    _, folder = with_all
    (file,) = (folder / "tensorboard").iterdir()
    events = scalars(file)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    for record in map(json.loads, lines):
        for name, value in record.items():
            tag = name.replace("train_", "train/").replace("test_", "test/")
            assert events[tag, record["epoch"]] == pytest.approx(value, rel=1e-6)
    assert ("train/loss", 7) in events
    assert ("test/accuracy", 1) in events


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--accumulate", "0"),
        ("--clip", "-1"),
        ("--precision", "float16"),
        ("--skip-nonfinite", "-1"),
        ("--checkpoint-every", "0"),
    ],
)
def test_options_out_of_range_are_refused(option, value):
    done = invoke("train", option, value)
    assert done.exit_code == 2
    assert option in done.stderr


def test_a_batch_that_has_no_such_parts(images_folder, tmp_path):
    words = ["--data-dir", images_folder, "--out", tmp_path, *BASE]
    done = invoke("train", *words, "--accumulate", 3)
    assert done.exit_code == 2
    assert "--accumulate 3 must divide the --batch-size 8" in done.stderr
    assert not list(tmp_path.iterdir())  # no run was begun
