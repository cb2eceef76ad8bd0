"""The step: traced once, donated, one dispatch, and the mathematics of it."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from executions import executions
from training_examples import (
    SGD,
    classification,
    copied,
    pairs,
    regression,
    train_state,
    training,
)

import funcnn as fn

LINEAR = fn.Dense(1)
DEEP = fn.Chain(fn.Dense(3), fn.BatchNorm(), fn.relu, fn.Dropout(0.5), fn.Dense(1))


def test_a_train_state_is_a_named_tuple_of_arrays():
    state = train_state(DEEP, optax.adam(optax.cosine_decay_schedule(0.1, 10)))
    assert isinstance(state, tuple)
    assert state._fields == ("step", "params", "state", "opt_state", "key")
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    assert state.step == 0
    assert state.step.dtype == jnp.int32
    assert jnp.issubdtype(state.key.dtype, jax.dtypes.prng_key)


def test_creating_a_train_state_is_a_pure_function_of_the_key():
    chex.assert_trees_all_equal(train_state(LINEAR), train_state(LINEAR))
    other = train_state(LINEAR, seed=1)
    assert not (other.params["kernel"] == train_state(LINEAR).params["kernel"]).any()
    assert other.key != train_state(LINEAR).key


def test_a_train_state_can_be_created_from_an_array():
    x = np.zeros((1, 2), np.float32)
    created = training.TrainState.create(LINEAR, SGD, jax.random.key(0), x)
    chex.assert_trees_all_equal(created, train_state(LINEAR))


def test_a_train_state_can_be_created_within_other_programs():
    x = np.zeros((1, 2), np.float32)

    def create(key):
        return training.TrainState.create(LINEAR, SGD, key, x)

    keys = jax.random.split(jax.random.key(0), 3)
    for many in (jax.vmap(create)(keys), jax.jit(jax.vmap(create))(keys)):
        for number, key in enumerate(keys):
            one = jax.tree.map(lambda leaf: leaf[number], many)
            chex.assert_trees_all_close(one.params, create(key).params, rtol=1e-6)
            assert one.key == create(key).key


def test_parameters_are_not_drawn_from_the_key_that_is_trained_with():
    state = train_state(LINEAR)
    from_train_key = LINEAR.init(state.key, jnp.zeros((1, 2)))[0]["kernel"]
    assert not (state.params["kernel"] == from_train_key).any()


def counted(loss_fn):
    """`loss_fn`, and the list that grows with each of its calls in Python."""
    calls = []

    def counting(*args, **kwargs):
        calls.append(kwargs)
        return loss_fn(*args, **kwargs)

    return counting, calls


def test_the_step_is_traced_once_over_300_batches():
    loss_fn, calls = counted(regression(DEEP))
    step, state = training.make_step(loss_fn, SGD), train_state(DEEP)
    x, y = pairs(300 * 2)
    for i in range(300):
        state, _ = step(state, (x[2 * i : 2 * i + 2], y[2 * i : 2 * i + 2]))
    assert len(calls) == 1
    assert calls[0]["train"] is True
    assert state.step == 300


def test_the_step_is_a_jitted_function():
    step = training.make_step(regression(LINEAR), SGD)
    assert step.lower(train_state(LINEAR), pairs(4)).compile()


def test_one_call_is_one_dispatch():
    adam, batch = optax.adam(1e-3), pairs(4)
    step = training.make_step(regression(DEEP), adam)
    state, _ = step(train_state(DEEP, adam), batch)
    assert executions(step, state, batch) == 1


def test_the_count_of_dispatches_sees_those_of_a_step_that_is_not_jitted():
    # without this the test above would prove nothing
    step = training.make_step(regression(LINEAR), SGD).__wrapped__
    assert executions(step, train_state(LINEAR), pairs(4)) > 5


def test_the_step_donates_its_state():
    state = train_state(DEEP, optax.adam(1e-3))
    new, _ = training.make_step(regression(DEEP), optax.adam(1e-3))(state, pairs(4))
    old = jax.tree.leaves((state.step, state.params, state.state, state.opt_state))
    assert all(leaf.is_deleted() for leaf in old)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(new))


def test_the_batch_is_not_donated():
    batch = jax.tree.map(jnp.asarray, pairs(4))
    training.make_step(regression(LINEAR), SGD)(train_state(LINEAR), batch)
    assert not any(leaf.is_deleted() for leaf in batch)


def test_the_step_is_gradient_descent():
    state, (x, y) = train_state(LINEAR), pairs(5)
    kernel, bias = (np.asarray(state.params[k]) for k in ("kernel", "bias"))
    new, metrics = training.make_step(regression(LINEAR), SGD)(state, (x, y))
    residual = x @ kernel + bias - y
    wanted = {
        "kernel": kernel - 0.1 * 2 * x.T @ residual / 5,
        "bias": bias - 0.1 * 2 * residual.mean(0),
    }
    chex.assert_trees_all_close(new.params, wanted, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], (residual**2).mean(), rtol=1e-5)
    assert new.step == 1


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adam(0.1),
        optax.sgd(optax.linear_schedule(1.0, 0.1, 5), momentum=0.9),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1)),
    ],
    ids=["adam", "sgd with a schedule", "chain"],
)
def test_the_step_is_what_optax_does(optimizer):
    state, batch = train_state(LINEAR, optimizer), pairs(5)
    step, loss_fn = (
        training.make_step(regression(LINEAR), optimizer),
        regression(LINEAR),
    )
    params, opt_state = copied((state.params, state.opt_state))

    @jax.jit
    def by_hand(params, opt_state):
        loss = lambda params: loss_fn(params, (), batch, key=None, train=True)[0]  # noqa: E731
        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    for _ in range(3):
        state, _ = step(state, batch)
        params, opt_state = by_hand(params, opt_state)
    chex.assert_trees_all_close(state.params, params, rtol=1e-6)
    chex.assert_trees_all_close(state.opt_state, opt_state, rtol=1e-6)


def drawing_loss(params, state, batch, *, key, train):
    """Its metrics are what it drew."""
    drawn = jax.random.uniform(key, (4,))
    return params["kernel"].sum(), (state, {"drawn": drawn})


def test_step_n_draws_from_the_key_folded_with_n():
    state = train_state(LINEAR)
    key = jnp.array(state.key)
    step = training.make_step(drawing_loss, SGD)
    for n in range(3):
        state, metrics = step(state, pairs(1))
        wanted = jax.random.uniform(jax.random.fold_in(key, n), (4,))
        np.testing.assert_array_equal(metrics["drawn"], wanted)
    assert state.key == key


def test_dropout_differs_from_step_to_step_and_not_from_the_same_state():
    model, batch = fn.Chain(fn.Dense(64), fn.Dropout(0.5), fn.Dense(1)), pairs(4)
    still = optax.sgd(0.0)
    step, state = (
        training.make_step(regression(model), still),
        train_state(model, still),
    )
    again = copied(state)
    state, first = step(state, batch)
    _, second = step(state, batch)
    _, repeated = step(again, batch)
    assert first["loss"] != second["loss"]
    assert first["loss"] == repeated["loss"]


def test_the_model_s_state_is_carried_on():
    model, batch = fn.Chain(fn.BatchNorm(momentum=0.5), fn.Dense(1)), pairs(8)
    state = train_state(model)
    step = training.make_step(regression(model), SGD)
    for _ in range(2):
        state, _ = step(state, batch)
    np.testing.assert_allclose(
        state.state[0]["mean"], 0.75 * batch[0].mean(0), rtol=1e-4
    )


def test_supervised_gives_the_mean_loss_and_further_metrics():
    loss_fn = classification(fn.Dense(3, kernel_init=jax.nn.initializers.zeros))
    params, state = fn.Dense(3).init(jax.random.key(0), jnp.zeros((4, 2)))
    x, labels = pairs(4)[0], jnp.array([0, 1, 2, 2])
    loss, (new_state, metrics) = loss_fn(
        params, state, (x, labels), key=None, train=False
    )
    logits = x @ params["kernel"]
    wanted = -jax.nn.log_softmax(logits)[jnp.arange(4), labels].mean()
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    assert new_state == ()
    assert metrics.keys() == {"loss", "accuracy"}
    assert metrics["loss"] is loss
    assert metrics["accuracy"] == (logits.argmax(-1) == labels).mean()


def test_the_gradient_of_supervised_is_right():
    model = fn.Chain(fn.Dense(3), fn.tanh, fn.Dense(2))
    state, loss_fn = train_state(model), classification(model)
    batch = pairs(6)[0], np.arange(6) % 2
    fn.compare_gradients(
        lambda params: loss_fn(params, (), batch, key=None, train=True), state.params
    ).assert_ok()


def test_accuracy_is_unreduced_and_counts_the_first_of_equal_logits():
    logits = jnp.array([[1.0, 2.0, 0.0], [3.0, 3.0, 1.0], [3.0, 3.0, 1.0]])
    right = training.accuracy(logits, jnp.array([1, 0, 1]))
    np.testing.assert_array_equal(right, [1, 1, 0])
    assert right.dtype == jnp.float32
    assert training.accuracy(logits[0], jnp.array(1)) == 1


@pytest.mark.parametrize("labels", [(4,), (3, 1), (3, 2), ()])
def test_accuracy_refuses_labels_that_do_not_fit(labels):
    with pytest.raises(fn.ShapeError, match=r"accuracy: logits \(3, 2\) need labels"):
        training.accuracy(jnp.ones((3, 2)), jnp.zeros(labels, jnp.int32))


def test_binary_accuracy_is_that_of_the_logits_sign():
    logits = jnp.array([[2.0, -1.0, 0.0], [0.0, 3.0, -2.0]])
    labels = jnp.array([[1, 0, 0], [1, 0, 1]])
    right = training.binary_accuracy(logits, labels)
    assert right.dtype == jnp.float32
    assert right.tolist() == [[1, 1, 1], [0, 0, 0]]
    shares = jnp.where(labels == 1, 0.9, 0.2)
    assert training.binary_accuracy(logits, shares).tolist() == right.tolist()
    with pytest.raises(fn.ShapeError, match=r"logits \(2, 3\) need labels"):
        training.binary_accuracy(logits, labels[:, :1])
