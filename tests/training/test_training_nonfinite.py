"""Steps whose loss or gradient is not finite: nothing is spoiled, and it is said."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from training_examples import (
    BATCH,
    NET,
    NET_LOSS,
    SGD,
    TRAIN,
    classification,
    copied,
    fitted,
    train_state,
    training,
)

import funcnn as fn
from funcnn.data.ordering import order


def spoiled(value=np.nan):
    inputs, targets = (array.copy() for array in BATCH)
    inputs[3, 1] = value
    return inputs, targets


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_step_that_is_not_finite_changes_nothing_nor_do_later_ones(value):
    adam = optax.adam(0.1)
    step = training.make_step(NET_LOSS, adam, stop_at_nonfinite=True)
    state = train_state(NET, adam)
    for _ in range(2):
        state, metrics = step(state, BATCH)
        assert metrics["finite"]
    before = copied(state)
    state, metrics = step(state, spoiled(value))
    assert not metrics["finite"]
    for _ in range(2):
        state, _ = step(state, BATCH)
    assert state.step == -1 - 2
    chex.assert_trees_all_equal(state._replace(step=before.step), before)


def test_a_gradient_that_is_not_finite_though_the_loss_is():
    def loss_fn(params, state, batch, *, key, train):
        return jnp.sqrt(params - 1).sum(), (state, {"loss": jnp.float32(0)})

    params = jnp.ones(3)
    state = training.TrainState(
        jnp.int32(0), params, (), SGD.init(params), jax.random.key(0)
    )
    state, metrics = training.make_step(loss_fn, SGD, stop_at_nonfinite=True)(
        copied(state), 0
    )
    assert not metrics["finite"]
    np.testing.assert_array_equal(state.params, 1)


def test_fit_stops_and_says_where(tmp_path):
    data = TRAIN[0].copy(), TRAIN[1]
    second = order(40, seed=0, epoch=2)
    data[0][second[13]] = (
        np.nan
    )  # of the second batch of the second epoch; first of all:
    first = list(order(40, seed=0, epoch=1)).index(second[13]) // 10
    with pytest.raises(training.NonFiniteError) as caught:
        fitted(data, checkpoints=training.Checkpoints(tmp_path, every=1))
    error = caught.value
    assert f"step {first + 1} (epoch 1, batch {first + 1})" in str(error)
    assert (
        f"the last checkpoint is {tmp_path / f'{first:08d}'}" in str(error)
        or first == 0
    )
    assert "argument" in str(error)
    assert error.train_state.step == first
    assert all(
        np.isfinite(leaf).all() for leaf in jax.tree.leaves(error.train_state.params)
    )
    assert error.history == []


def test_fit_names_the_operation():
    net = fn.Chain(fn.Dense(4), lambda x: jnp.log(x), fn.Dense(2))
    with pytest.raises(training.NonFiniteError, match="log"):
        training.fit(
            classification(net),
            SGD,
            train_state(net),
            TRAIN,
            epochs=1,
            batch_size=10,
            progress=False,
        )


def test_fit_says_so_when_the_operation_cannot_be_found(monkeypatch):
    from funcnn.training import _nonfinite

    def unable(*arguments):
        raise TypeError("no operation")

    monkeypatch.setattr(_nonfinite, "find_nonfinite", unable)
    data = np.full_like(TRAIN[0], np.nan), TRAIN[1]
    with pytest.raises(training.NonFiniteError, match="not be found: no operation"):
        fitted(data)


def test_steps_are_skipped_up_to_a_limit():
    optimizer = optax.apply_if_finite(optax.adam(0.1), 2)
    step = training.make_step(NET_LOSS, optimizer, stop_at_nonfinite=True)
    state = train_state(NET, optimizer)
    state, metrics = step(state, BATCH)
    assert metrics["skipped"] == 0
    before = copied(state.params)
    for _ in range(2):
        state, metrics = step(state, spoiled())
        assert metrics["skipped"] == 1
        assert metrics["finite"]
        chex.assert_trees_all_equal(state.params, before)
    state, metrics = step(state, spoiled())  # the third in a row
    assert not metrics["finite"]
    chex.assert_trees_all_equal(state.params, before)
    assert state.step == -1 - 3


def test_fit_counts_what_it_skips():
    data = TRAIN[0].copy(), TRAIN[1]
    data[0][7] = np.nan
    net = fn.Chain(fn.Dense(2))
    optimizer = optax.apply_if_finite(optax.sgd(0.1), 5)
    state, history = training.fit(
        classification(net),
        optimizer,
        train_state(net, optimizer),
        data,
        epochs=2,
        batch_size=10,
        progress=False,
    )
    assert [record["skipped_steps"] for record in history] == [1, 1]
    assert all(np.isfinite(record["train_loss"]) for record in history)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    assert state.step == 8


def test_without_the_option_nothing_is_looked_at():
    state, metrics = training.make_step(NET_LOSS, SGD)(train_state(NET), spoiled())
    assert "finite" not in metrics
    assert np.isnan(jax.tree.leaves(state.params)[0]).all()
