"""`evaluate`: means over all of the data, whatever the size of a batch."""

import chex
import jax
import numpy as np
import pytest
from shares import a_share
from training_examples import classes, classification, train_state, training

import funcnn as fn

MODEL = fn.Chain(fn.Dense(4), fn.BatchNorm(), fn.tanh, fn.Dropout(0.5), fn.Dense(2))
LOSS = classification(MODEL)
STATE = train_state(MODEL)
DATA = classes(23)


@pytest.fixture(scope="module")
def of_the_full_batch():
    _, (_, metrics) = LOSS(STATE.params, STATE.state, DATA, key=None, train=False)
    return {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("batch_size", a_share([10, 23, 500, 11], 2))
def test_every_batch_size_gives_the_mean_over_all(of_the_full_batch, batch_size):
    figures = training.evaluate(LOSS, STATE, DATA, batch_size=batch_size)
    assert figures.keys() == {"loss", "accuracy"}
    assert {type(value) for value in figures.values()} == {float}
    for name, value in figures.items():
        np.testing.assert_allclose(value, of_the_full_batch[name], rtol=1e-5)


def test_a_smaller_last_batch_counts_by_its_size():
    # Unweighted, the mean of the batches' means would be 1.
    def loss_fn(params, state, batch, *, key, train):
        mean = batch[0].mean()
        return mean, (state, {"loss": mean})

    data = (np.array([0, 0, 0, 0, 2], np.float32),)
    figures = training.evaluate(loss_fn, STATE, data, batch_size=4)
    np.testing.assert_allclose(figures["loss"], 0.4, rtol=1e-6)


def test_it_is_no_training():
    seen = []

    def loss_fn(params, state, batch, *, key, train):
        seen.append((key, train))
        return LOSS(params, state, batch, key=key, train=train)

    before = jax.tree.map(np.asarray, (STATE.params, STATE.state))
    training.evaluate(loss_fn, STATE, DATA, batch_size=12)
    assert set(seen) == {(None, False)}
    # traced once for each of the two shapes, and nothing was donated or changed
    assert len(seen) == 2
    chex.assert_trees_all_equal(before, (STATE.params, STATE.state))


def test_one_program_serves_all_calls():
    seen = []

    def loss_fn(*args, **kwargs):
        seen.append(args)
        return LOSS(*args, **kwargs)

    for _ in range(3):
        training.evaluate(loss_fn, STATE, DATA)
    assert len(seen) == 1


def test_one_array_is_data_too():
    def loss_fn(params, state, batch, *, key, train):
        (x,) = batch
        return x.mean(), (state, {"loss": x.mean()})

    assert training.evaluate(loss_fn, STATE, (np.ones(3, np.float32),))["loss"] == 1


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_that_is_not_positive_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"23 examples and batch_size={batch_size}"):
        training.evaluate(LOSS, STATE, DATA, batch_size=batch_size)


def test_no_examples_are_refused():
    with pytest.raises(ValueError, match="evaluate: needs examples"):
        training.evaluate(LOSS, STATE, (DATA[0][:0], DATA[1][:0]))


def first_label_loss(params, state, batch, *, key, train):
    return batch[1][0], (state, {"loss": batch[1].mean()})


@pytest.mark.parametrize("lengths", [(23, 20), (20, 23)])
def test_arrays_of_different_lengths_are_refused(lengths):
    # Else inputs and targets part, or some are left out, without a word.
    data = tuple(array[:n] for array, n in zip(DATA, lengths))
    with pytest.raises(ValueError, match="length"):
        training.evaluate(first_label_loss, STATE, data)
