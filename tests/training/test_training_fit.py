"""`fit`: the plain loop, its history, and what a person sees of it."""

import chex
import jax
import numpy as np
import optax
import pytest
from training_examples import (
    ADAM,
    LOSS,
    MODEL,
    TEST,
    TRAIN,
    Recorder,
    classes,
    classification,
    fitted,
    train_state,
    training,
)

import funcnn as fn


def test_the_history_has_a_record_per_epoch():
    state, history = fitted(epochs=3)
    assert state.step == 3 * 4
    assert isinstance(history, list)
    assert isinstance(history, training.History)
    assert history.interrupted is False
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert set(history[0]) == {
        "epoch",
        "train_loss",
        "train_accuracy",
        "seconds",
        "examples_per_second",
    }
    for record in history:
        assert {type(value) for value in record.values()} <= {int, float}
        speed = record["examples_per_second"] * record["seconds"]
        np.testing.assert_allclose(speed, 40)


def test_train_figures_are_means_over_the_batches():
    # By hand, with the step and the order that are public.
    step = training.make_step(LOSS, ADAM, stop_at_nonfinite=True)  # as fit does
    state, losses = train_state(MODEL, ADAM), []
    for batch in fn.data.batches(TRAIN, 10, seed=3, epoch=1):
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
    by_fit, (record,) = fitted(epochs=1, seed=3)
    np.testing.assert_allclose(record["train_loss"], np.mean(losses), rtol=1e-6)
    chex.assert_trees_all_equal(by_fit, state)


def test_test_figures_are_those_of_evaluate():
    state, history = fitted(test_data=TEST)
    figures = training.evaluate(LOSS, state, TEST)
    assert history[-1]["test_loss"] == figures["loss"]
    assert history[-1]["test_accuracy"] == figures["accuracy"]
    assert "test_loss" in history[0]


def test_test_data_has_no_influence_on_training():
    chex.assert_trees_all_equal(fitted(test_data=TEST)[0], fitted()[0])


def test_the_same_seed_gives_the_same_parameters_bit_by_bit():
    chex.assert_trees_all_equal(fitted(seed=7)[0], fitted(seed=7)[0])


def test_another_seed_gives_another_order():
    a, b = (fitted(seed=seed)[0].params[0]["kernel"] for seed in (0, 1))
    assert (np.asarray(a) != np.asarray(b)).any()


def test_two_runs_of_one_epoch_are_not_one_of_two():
    # The order is one of (seed, epoch): a second run begins with epoch 1 again.
    first, _ = fitted(epochs=1)
    twice, _ = training.fit(
        LOSS, ADAM, first, TRAIN, epochs=1, batch_size=10, progress=False
    )
    assert twice.step == fitted()[0].step
    kernels = (np.asarray(s.params[0]["kernel"]) for s in (twice, fitted()[0]))
    assert np.not_equal(*kernels).any()


def test_on_epoch_is_called_with_the_state_and_the_record():
    seen = []
    _, history = fitted(
        test_data=TEST,
        on_epoch=lambda state, record: seen.append((int(state.step), record)),
    )
    assert [step for step, _ in seen] == [4, 8]
    assert [record for _, record in seen] == history


def test_no_epochs_change_nothing():
    state, history = fitted(epochs=0)
    assert history == []
    chex.assert_trees_all_equal(state, train_state(MODEL, ADAM))


def test_what_does_not_fill_a_batch_is_left_out():
    recorder = Recorder()
    fitted(batch_size=12, epochs=1, progress=recorder)
    assert recorder.calls[:-1] == [(1, done, 3) for done in (1, 2, 3)]


def test_a_toy_problem_is_learned():
    start = train_state(MODEL, ADAM, seed=5)  # whose first epoch has much to learn
    data, options = classes(200), {"epochs": 60, "batch_size": 50, "progress": False}
    state, history = training.fit(
        LOSS, ADAM, start, data, classes(100, seed=1), **options
    )
    losses = [record["train_loss"] for record in history]
    assert losses[-1] < 0.2 * losses[0]
    assert history[-1]["test_accuracy"] > 0.95
    assert state.step == 240


def test_progress_false_prints_nothing(capsys):
    fitted(test_data=TEST, progress=False)
    assert capsys.readouterr() == ("", "")


def test_plain_lines_go_to_a_stream_that_is_no_terminal(capsys):
    _, history = fitted(test_data=TEST, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  train ")
    assert f"test loss {history[1]['test_loss']:.4f}" in lines[1]
    assert f"test accuracy {history[1]['test_accuracy']:7.2%}" in lines[1]
    assert lines[1].endswith(" s")
    assert f"train loss {history[0]['train_loss']:.4f}" in lines[0]
    assert "\x1b" not in err
    assert "\r" not in err


def test_a_progress_of_one_s_own_is_told_of_everything(capsys):
    recorder = Recorder()
    _, history = fitted(progress=recorder)
    batches = [[(epoch, done, 4) for done in (1, 2, 3, 4)] for epoch in (1, 2)]
    assert recorder.calls == [*batches[0], history[0], *batches[1], history[1]]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("batch_size", [0, 41])
def test_a_batch_size_that_fills_no_batch_is_refused(batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        fitted(batch_size=batch_size)


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="length"):
        fitted((TRAIN[0], TRAIN[1][:20]))


def test_a_state_of_batch_norm_is_trained_and_used():
    model = fn.Chain(fn.BatchNorm(momentum=0.5), fn.Dense(2))
    data = TRAIN[0] + 10, TRAIN[1]
    state, history = training.fit(
        classification(model),
        optax.sgd(0.5),
        train_state(model),
        data,
        data,
        epochs=8,
        batch_size=20,
        progress=False,
    )
    np.testing.assert_allclose(state.state[0]["mean"], data[0].mean(0), rtol=0.02)
    assert history[-1]["test_accuracy"] > 0.75


def test_the_train_state_that_came_in_is_donated():
    state = train_state(MODEL, ADAM)
    training.fit(LOSS, ADAM, state, TRAIN, epochs=1, batch_size=10, progress=False)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))
