"""Checkpoints: a run that ends anywhere goes on to the same bits, or says why not."""

import errno
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import warnings

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from shares import a_share
from training_examples import ADAM, MODEL, TEST, TRAIN, Recorder, fitted, training

import funcnn as fn
from funcnn.training import CheckpointError, Checkpoints

STEPS = 4 * 4  # of four epochs


class Ends(Recorder):
    """Sends a signal after so many batches."""

    def __init__(self, after, number=signal.SIGTERM):
        super().__init__()
        self.left, self.number = after, number

    def batch(self, epoch, done, total):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope="module")
def whole():
    """The run that nothing happened to."""
    return fitted(epochs=4, test_data=TEST)


def to_the_end(checkpoints, **options):
    return fitted(epochs=4, test_data=TEST, checkpoints=checkpoints, **options)


def ended(folder, after=6, **options):
    """A folder with the checkpoints of a run that was ended."""
    options = {"every": 3, "keep": 3} | options
    checkpoints = Checkpoints(folder, **options)
    _, history = to_the_end(checkpoints, progress=Ends(after))
    assert history.interrupted
    return checkpoints


def same_figures(records):
    timed = {"seconds", "examples_per_second"}
    return [{k: v for k, v in r.items() if k not in timed} for r in records]


def names(checkpoints):
    return [int(path.name) for path in checkpoints.paths()]


@pytest.mark.parametrize("after", a_share([1, 2, 4, 5, 8, 15], 3))
def test_a_run_that_was_ended_goes_on_to_the_same_bits(tmp_path, whole, after):
    checkpoints = ended(tmp_path / "new" / "folder", after)
    assert names(checkpoints)[-1] == after
    state, history = to_the_end(checkpoints)
    chex.assert_trees_all_equal(state, whole[0])
    assert same_figures(history) == same_figures(whole[1])
    assert not history.interrupted
    assert history.not_saved == ""


def test_a_run_that_is_ended_again_and_again(tmp_path, whole):
    checkpoints, ends = Checkpoints(tmp_path, every=2), 0
    while True:
        state, history = to_the_end(checkpoints, progress=Ends(3))
        if not history.interrupted:
            break
        ends += 1
    assert ends == 5
    chex.assert_trees_all_equal(state, whole[0])
    assert same_figures(history) == same_figures(whole[1])


def test_a_run_that_is_done_is_not_trained_on(tmp_path, whole):
    to_the_end(tmp_path)
    seen = Recorder()
    state, history = to_the_end(tmp_path, progress=seen)
    assert seen.calls == []
    chex.assert_trees_all_equal(state, whole[0])
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]


def test_the_signal_is_told(tmp_path):
    for number in (signal.SIGINT, signal.SIGTERM):
        _, history = fitted(epochs=4, progress=Ends(2, number))
        assert history.signal == number
    _, history = fitted()
    assert history.signal == 0


def test_the_newest_are_kept_and_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path, every=1, keep=2, keep_best=1)
    _, history = to_the_end(checkpoints)
    best = int(np.argmin([record["test_loss"] for record in history])) + 1
    assert names(checkpoints) == sorted({4 * best, STEPS - 1, STEPS})


@pytest.mark.parametrize(
    ("best", "highest", "right"),
    [
        ("test_accuracy", None, max),
        ("test_loss", None, min),
        ("test_loss", True, max),
        ("train_loss", False, min),
    ],
)
def test_which_are_the_best(tmp_path, best, highest, right):
    # figures that are neither rising nor falling
    options = {"keep": 1, "keep_best": 1, "best": best, "highest": highest}
    _, history = fitted(
        epochs=6, test_data=TEST, checkpoints=Checkpoints(tmp_path, **options)
    )
    figures = [record[best] for record in history]
    first = figures.index(right(figures)) + 1
    assert names(Checkpoints(tmp_path)) == sorted({4 * first, 24})


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


FILES = [
    "manifest.json",
    "progress.json",
    "train_state/_CHECKPOINT_METADATA",
    "train_state/arrays.safetensors",
    "train_state/commit_success.txt",
]


def test_these_are_a_checkpoints_files(tmp_path):
    newest = ended(tmp_path).paths()[-1]
    assert [str(path.relative_to(newest)) for path in files_of(newest)] == FILES


def change(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def extend(path):
    path.with_name(path.name + ".more").write_bytes(b"more")


DAMAGES = [change, cut, pathlib.Path.unlink, extend]


@pytest.mark.parametrize("case", a_share([*itertools.product(FILES, DAMAGES)], 6))
def test_damage_is_noticed_and_the_one_before_is_used(tmp_path, whole, case):
    name, damage = case
    checkpoints = ended(tmp_path)
    damage(checkpoints.paths()[-1] / name)
    with pytest.warns(UserWarning, match="left out"):
        state, _ = to_the_end(checkpoints)
    chex.assert_trees_all_equal(state, whole[0])
    # what was damaged is kept, out of the row
    assert len(list(tmp_path.glob("*.damaged.*"))) == 1


@pytest.mark.parametrize("name", a_share(FILES, 3))
def test_every_byte_counts(tmp_path, name):
    from funcnn.training._checkpoints import _contents

    newest = ended(tmp_path).paths()[-1]
    content = (newest / name).read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (newest / name).write_bytes(changed)
        with pytest.raises(CheckpointError):
            _contents.verify(newest)
    (newest / name).write_bytes(content)
    _contents.verify(newest)


def test_an_empty_checkpoint(tmp_path, whole):
    checkpoints = ended(tmp_path)
    newest = checkpoints.paths()[-1]
    shutil.rmtree(newest)
    newest.mkdir()
    with pytest.warns(UserWarning, match=r"manifest\.json is missing"):
        state, _ = to_the_end(checkpoints)
    chex.assert_trees_all_equal(state, whole[0])


def test_nothing_whole_is_an_error_with_all_reasons(tmp_path):
    checkpoints = ended(tmp_path)
    for path in checkpoints.paths():
        change(path / "progress.json")
    before = {path: path.read_bytes() for path in files_of(tmp_path)}
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(CheckpointError, match=r"all are damaged: .*; .*progress\.json"),
    ):
        to_the_end(checkpoints)
    after = {path: path.read_bytes() for path in files_of(tmp_path)}
    assert {p: c for p, c in after.items() if p.name != ".lock"} == {
        p: c for p, c in before.items() if p.name != ".lock"
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 8}, "batch_size was 10 and is 8"),
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"train_data": (TRAIN[0][:30], TRAIN[1][:30])}, r"train_data was .*\[40, 2\]"),
        ({"train_data": (TRAIN[0] + 1, TRAIN[1])}, "train_data_sha256"),
    ],
)
def test_other_settings_are_refused_with_the_difference(tmp_path, options, words):
    checkpoints = ended(tmp_path)
    data = options.pop("train_data", TRAIN)
    with pytest.raises(CheckpointError, match=words):
        fitted(data, epochs=4, checkpoints=checkpoints, **options)


def test_settings_of_ones_own(tmp_path):
    fitted(checkpoints=Checkpoints(tmp_path, settings={"rate": 0.1, "names": ("a",)}))
    fitted(checkpoints=Checkpoints(tmp_path, settings={"rate": 0.1, "names": ("a",)}))
    with pytest.raises(CheckpointError, match=r"rate was 0\.1 and is 0\.2"):
        fitted(
            checkpoints=Checkpoints(tmp_path, settings={"rate": 0.2, "names": ("a",)})
        )


def test_another_model_or_optimizer_is_refused_leaf_by_leaf(tmp_path):
    checkpoints = ended(tmp_path)
    for model, optimizer, words in [
        (
            fn.Chain(fn.Dense(8), fn.tanh, fn.Dropout(0.1), fn.Dense(2)),
            ADAM,
            r"params\.0\.kernel is float32\[2, 16\], needs float32\[2, 8\]",
        ),
        (MODEL, optax.sgd(0.1), r"mu\.0\.bias is not needed"),
        (MODEL, optax.rmsprop(0.1), r"mu\.0\.bias is not needed"),
    ]:
        state = training.TrainState.create(
            model, optimizer, jax.random.key(0), TRAIN[0][:1]
        )
        loss_fn = training.supervised(model, fn.softmax_cross_entropy)
        with pytest.raises(CheckpointError, match=words):
            training.fit(
                loss_fn,
                optimizer,
                state,
                TRAIN,
                epochs=4,
                batch_size=10,
                checkpoints=checkpoints,
                progress=False,
            )


def edited(path, **changes):
    """A checkpoint as another version would have written it, with its own manifest."""
    from funcnn.training._checkpoints import _contents

    progress = json.loads((path / "progress.json").read_text()) | changes
    (path / "progress.json").write_text(json.dumps(progress))
    (path / "manifest.json").unlink()
    _contents._seal(path)


def test_a_newer_format_is_refused(tmp_path):
    checkpoints = ended(tmp_path)
    edited(checkpoints.paths()[-1], format=2)
    with pytest.raises(CheckpointError, match="of format 2; this funcnn reads 1"):
        to_the_end(checkpoints)


def test_other_versions_are_told_of(tmp_path, whole):
    checkpoints = ended(tmp_path)
    path = checkpoints.paths()[-1]
    versions = json.loads((path / "progress.json").read_text())["versions"]
    edited(path, versions=versions | {"jax": "0.1"})
    with pytest.warns(UserWarning, match=f"jax 0.1 to {jax.__version__}"):
        state, _ = to_the_end(checkpoints)
    chex.assert_trees_all_equal(state, whole[0])


def test_one_run_in_a_folder(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert not checkpoints.in_use()
    with checkpoints.opened():
        program = f"""
from funcnn.training import Checkpoints
with Checkpoints({str(tmp_path)!r}).opened():
    pass
"""
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert f"another run (process {os.getpid()}) writes there" in done.stderr
        assert checkpoints.in_use()
    assert not checkpoints.in_use()


def test_a_full_disk_does_not_end_the_run(tmp_path, whole, monkeypatch):
    from funcnn.training._checkpoints import _handler

    def full(path, arrays, about):
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    checkpoints = Checkpoints(tmp_path, every=3)
    with monkeypatch.context() as patched:
        patched.setattr(_handler, "write_arrays", full)
        with pytest.warns(UserWarning, match="without a checkpoint"):
            state, history = to_the_end(checkpoints)
    chex.assert_trees_all_equal(state, whole[0])
    assert "No space left" in history.not_saved
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("failing", range(6))
def test_a_disk_that_is_full_once(tmp_path, whole, monkeypatch, failing):
    """Of six checkpoints one is lost, and no other; the last is there or told of."""
    from funcnn.training._checkpoints import _handler

    write, calls = _handler.write_arrays, []

    def full_once(path, arrays, about):
        calls.append(path)
        if len(calls) == failing + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, arrays, about)

    monkeypatch.setattr(_handler, "write_arrays", full_once)
    checkpoints = Checkpoints(tmp_path, every=6, keep=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state, history = to_the_end(checkpoints)
    chex.assert_trees_all_equal(state, whole[0])
    written = [4, 6, 8, 12, 16]
    if failing < 4:
        written.remove(written[failing])
    assert names(checkpoints) == written
    assert history.not_saved == ""


def test_the_last_one_that_could_not_be_written_is_told_of(
    tmp_path, whole, monkeypatch
):
    from funcnn.training._checkpoints import _handler

    write = _handler.write_arrays

    def full_at_the_end(path, arrays, about):
        if arrays["step"] == STEPS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, arrays, about)

    monkeypatch.setattr(_handler, "write_arrays", full_at_the_end)
    with pytest.warns(UserWarning, match="without a checkpoint"):
        _, history = to_the_end(Checkpoints(tmp_path))
    assert "No space left" in history.not_saved


def test_all_dtypes_and_shapes_come_back(tmp_path):
    from funcnn.training._checkpoints import _contents

    dtypes = (
        "bool int8 int32 uint8 uint32 float16 bfloat16 float32 float8_e4m3fn".split()
    )
    tree = {d: jnp.arange(6).reshape(2, 3).astype(d) for d in dtypes}
    tree |= {
        "empty": jnp.zeros((0, 3)),
        "number": jnp.float32(2),
        "key": jax.random.key(3),
    }
    tree |= {
        "rbg": jax.random.key(3, impl="rbg"),
        "none": None,
        "nested": ({}, [jnp.ones(1)]),
    }
    state = training.TrainState(jnp.int32(7), tree, (), (), jax.random.key(1))
    checkpoints = Checkpoints(tmp_path)
    with checkpoints.opened() as opened:
        opened.save(7, state, {"epoch": 1})
    restored = checkpoints.newest(state)
    assert jax.tree.structure(restored.train_state) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves(restored.train_state), jax.tree.leaves(state)):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    _contents.verify(restored.path)


@pytest.mark.parametrize("options", [{"every": 0}, {"keep": 0}, {"keep_best": -1}])
def test_options_out_of_range(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        Checkpoints("folder", **options)


def test_what_a_killed_run_was_writing_is_taken_away(tmp_path, whole):
    checkpoints = ended(tmp_path)
    (tmp_path / ".saving" / "00000009").mkdir(parents=True)
    (tmp_path / ".saving" / "00000009" / "progress.json").write_text("{")
    state, _ = to_the_end(checkpoints)
    chex.assert_trees_all_equal(state, whole[0])
    assert not (tmp_path / ".saving").exists()


def test_nothing_is_said_when_all_is_well(tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_the_end(Checkpoints(tmp_path, every=2))
    said = capfd.readouterr()
    assert said.out == said.err == ""


def test_a_loop_of_ones_own(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2, keep_best=1, settings={"rate": 1})
    state = {"w": jnp.arange(3.0), "key": jax.random.key(0)}
    assert checkpoints.newest(state) is None
    with checkpoints.opened() as opened:
        for step in range(4):
            opened.save(step, state | {"w": state["w"] + step}, {"epoch": step})
    assert names(checkpoints) == [2, 3]
    restored = checkpoints.newest(state)
    np.testing.assert_array_equal(restored.train_state["w"], [3, 4, 5])
    assert restored.progress["epoch"] == 3
    assert restored.path.name == "00000003"
