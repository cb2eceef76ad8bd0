"""The step's options, each against what a wrong one would give."""

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
    pairs,
    regression,
    train_state,
    training,
)

import funcnn as fn


def after(steps=3, optimizer=SGD, loss_fn=NET_LOSS, net=NET, batch=BATCH, **options):
    """The state after some steps on one batch, and the last metrics."""
    step, state = (
        training.make_step(loss_fn, optimizer, **options),
        train_state(net, optimizer),
    )
    for _ in range(steps):
        state, metrics = step(state, batch)
    return state, metrics


# --- accumulation


@pytest.mark.parametrize("parts", [1, 2, 3, 12])
def test_accumulation_is_the_step_of_the_whole_batch(parts):
    def in_float64(**options):
        state = train_state(NET)
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), state.params)
        batch = tuple(array.astype(np.float64) for array in BATCH)
        step = training.make_step(NET_LOSS, SGD, **options)
        return step(state._replace(params=wide), batch)

    with jax.enable_x64(True):
        whole, metrics = in_float64()
        in_parts, of_parts = in_float64(accumulate=parts)
    chex.assert_trees_all_close(whole.params, in_parts.params, rtol=1e-12)
    chex.assert_trees_all_close(metrics, of_parts, rtol=1e-12)
    single, narrow = after()[0].params, after(accumulate=parts)[0].params
    chex.assert_trees_all_close(single, narrow, rtol=1e-6, atol=1e-7)


def test_each_part_has_draws_and_state_of_its_own():
    def loss_fn(params, state, batch, *, key, train):
        draw = jax.random.uniform(key)
        state = {
            "seen": state["seen"] + 1,
            "draws": state["draws"].at[state["seen"]].set(draw),
        }
        return jnp.mean(params * batch), (state, {"loss": draw})

    first = {"seen": jnp.int32(0), "draws": jnp.zeros(4)}
    state = training.TrainState(
        jnp.int32(0), jnp.ones(()), first, SGD.init(jnp.ones(())), jax.random.key(0)
    )
    state, metrics = training.make_step(loss_fn, SGD, accumulate=4)(state, jnp.ones(8))
    assert state.state["seen"] == 4
    draws = np.asarray(state.state["draws"])
    assert len(set(draws.tolist())) == 4
    np.testing.assert_allclose(metrics["loss"], draws.mean(), rtol=1e-6)


def test_a_batch_that_has_no_such_parts():
    with pytest.raises(ValueError, match="accumulate=5 must divide the batch of 12"):
        after(accumulate=5)
    with pytest.raises(ValueError, match="accumulate must be at least 1, got 0"):
        after(accumulate=0)


def test_accumulation_needs_the_memory_of_a_part():
    deep = fn.Chain(*[fn.Dense(64), fn.tanh] * 6, fn.Dense(1))
    state = train_state(deep)
    batch = pairs(4096)

    def temporaries(parts):
        step = training.make_step(regression(deep), SGD, accumulate=parts)
        return step.lower(state, batch).compile().memory_analysis().temp_size_in_bytes

    assert temporaries(16) < temporaries(1) / 4


# --- precision


def test_bfloat16_computes_and_float32_is_trained():
    seen = {}

    def loss_fn(params, state, batch, *, key, train):
        seen.update(
            params=params["w"].dtype,
            batch=batch[0].dtype,
            ids=batch[1].dtype,
            state=state.dtype,
        )
        loss = jnp.mean((params["w"] * batch[0]).astype(jnp.float32) ** 2)
        return loss, (state.astype(jnp.bfloat16) + 1, {"loss": loss})

    params = {"w": jnp.float32(1.001)}
    batch = jnp.float32([1.003, 2.0]), jnp.int32([0, 1])
    state = training.TrainState(
        jnp.int32(0), params, jnp.zeros(()), SGD.init(params), jax.random.key(0)
    )
    new, metrics = training.make_step(loss_fn, SGD, precision=jnp.bfloat16)(
        copied(state), batch
    )
    assert seen == {
        "params": jnp.bfloat16,
        "batch": jnp.bfloat16,
        "ids": jnp.int32,
        "state": jnp.float32,
    }
    assert (
        new.params["w"].dtype == new.state.dtype == metrics["loss"].dtype == jnp.float32
    )
    assert new.state == 1
    # 1.001 and 1.003 are 1 in bfloat16: the gradient is 1 + 4, in float32
    np.testing.assert_allclose(new.params["w"], 1.001 - 0.1 * 5, rtol=1e-6)


def test_master_weights_take_steps_that_bfloat16_has_no_numbers_for():
    small = optax.sgd(1e-4)
    state, _ = after(200, small, precision="bfloat16")
    exact, _ = after(200, small)
    first = train_state(NET, small)
    for new, right, old in zip(
        *map(jax.tree.leaves, (state.params, exact.params, first.params))
    ):
        moved = np.abs(np.asarray(right - old))
        assert np.abs(np.asarray(new - right)).max() < 0.1 * moved.max()
        assert new.dtype == jnp.float32


def test_a_model_with_batch_norm_learns_in_bfloat16():
    net = fn.Chain(fn.Dense(16), fn.BatchNorm(), fn.relu, fn.Dense(2))
    loss_fn, adam = classification(net), optax.adam(0.02)
    state, history = training.fit(
        loss_fn,
        adam,
        train_state(net, adam),
        TRAIN,
        epochs=30,
        batch_size=20,
        progress=False,
        precision="bfloat16",
    )
    assert history[-1]["train_accuracy"] > 0.85
    assert {
        leaf.dtype.name for leaf in jax.tree.leaves((state.params, state.state))
    } == {"float32"}


@pytest.mark.parametrize("precision", ["float16", "float8_e4m3fn", "int32"])
def test_precisions_that_are_refused(precision):
    with pytest.raises(
        ValueError, match=f"precision must be bfloat16.*got {precision}"
    ):
        training.make_step(NET_LOSS, SGD, precision=precision)


# --- clipping and schedules, which are Optax's


def test_clipping_bounds_the_update():
    clipped = optax.chain(optax.clip_by_global_norm(1e-3), optax.sgd(1.0))
    first = copied(train_state(NET, clipped).params)
    state, _ = after(1, clipped)
    change = jax.tree.map(jnp.subtract, state.params, first)
    np.testing.assert_allclose(optax.tree.norm(change), 1e-3, rtol=1e-4)


def test_the_rate_is_among_the_metrics():
    rates = optax.linear_schedule(1.0, 0.0, 4)
    optimizer = optax.chain(optax.clip(1.0), optax.inject_hyperparams(optax.sgd)(rates))
    step, state = training.make_step(NET_LOSS, optimizer), train_state(NET, optimizer)
    seen = []
    for _ in range(4):
        state, metrics = step(state, BATCH)
        seen.append(float(metrics["learning_rate"]))
    np.testing.assert_allclose(seen, [1.0, 0.75, 0.5, 0.25])
    _, metrics = after()
    assert set(metrics) == {"loss"}


def test_the_rate_is_in_the_records():
    rates = optax.linear_schedule(0.1, 0.0, 8)
    optimizer = optax.inject_hyperparams(optax.adam)(rates)
    net = fn.Chain(fn.Dense(2))
    _, history = training.fit(
        classification(net),
        optimizer,
        train_state(net, optimizer),
        TRAIN,
        epochs=2,
        batch_size=10,
        progress=False,
    )
    np.testing.assert_allclose(
        [r["learning_rate"] for r in history], [0.0625, 0.0125], rtol=1e-5
    )
    assert not any("b1" in name for name in history[0])


# --- averages


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_of_the_parameters(decay):
    optimizer = training.average_params(SGD, decay)
    step, state = training.make_step(NET_LOSS, optimizer), train_state(NET, optimizer)
    seen = []
    for _ in range(5):
        state, _ = step(state, BATCH)
        seen.append(copied(state.params))
    weights = decay ** np.arange(4, -1, -1)
    expected = jax.tree.map(
        lambda *p: sum(w * q for w, q in zip(weights, p)) / weights.sum(), *seen
    )
    chex.assert_trees_all_close(
        training.averaged_params(state), expected, rtol=1e-5, atol=1e-6
    )
    chex.assert_trees_all_equal_dtypes(training.averaged_params(state), state.params)
    # what is trained is what is trained without
    chex.assert_trees_all_close(state.params, after(5)[0].params, rtol=1e-6)


def test_the_average_inside_other_transformations():
    optimizer = optax.chain(
        optax.clip(10.0), training.average_params(optax.adam(0.1), 0.9)
    )
    state, _ = after(2, optimizer)
    assert jax.tree.structure(training.averaged_params(state)) == jax.tree.structure(
        state.params
    )


def test_averages_that_are_not_there():
    with pytest.raises(ValueError, match="needs average_params"):
        training.averaged_params(after(1)[0])
    optimizer = training.average_params(SGD, 0.9)
    with pytest.raises(ValueError, match="one step or more"):
        training.averaged_params(train_state(NET, optimizer))
    for decay in (-0.1, 1.0):
        with pytest.raises(ValueError, match="decay must be from 0 to less than 1"):
            training.average_params(SGD, decay)


# --- optimizers by path


def test_what_is_frozen_stays_and_the_rest_is_trained():
    optimizer = training.by_path({"0.*": training.FROZEN}, default=optax.adam(0.1))
    first = copied(train_state(NET, optimizer).params)
    state, _ = after(3, optimizer)
    chex.assert_trees_all_equal(state.params[0], first[0])
    for new, old in zip(jax.tree.leaves(state.params[2]), jax.tree.leaves(first[2])):
        assert (new != old).all()
    # nothing is kept for what is frozen
    kept = sum(leaf.size for leaf in jax.tree.leaves(state.opt_state))
    trained = sum(leaf.size for leaf in jax.tree.leaves(first[2]))
    assert kept == 2 * trained + 1


def test_the_first_pattern_that_fits_is_taken():
    rates = {"*.bias": optax.sgd(1.0), "2.*": optax.sgd(0.0)}
    optimizer = training.by_path(rates, default=optax.sgd(0.5))
    first = copied(train_state(NET, optimizer).params)
    state, _ = after(1, optimizer)
    plain, _ = after(1, optax.sgd(1.0))
    moved = jax.tree.map(jnp.subtract, state.params, first)
    whole = jax.tree.map(jnp.subtract, plain.params, first)
    for layer, name, factor in [
        (0, "bias", 1),
        (2, "bias", 1),
        (2, "kernel", 0),
        (0, "kernel", 0.5),
    ]:
        np.testing.assert_allclose(
            moved[layer][name], factor * whole[layer][name], rtol=1e-5, atol=1e-7
        )


def test_a_pattern_that_fits_nothing():
    optimizer = training.by_path({"1.*": training.FROZEN}, default=SGD)
    with pytest.raises(
        ValueError,
        match=r"no parameter is left for 1\.\*; there are 0\.bias, 0\.kernel",
    ):
        train_state(NET, optimizer)
    with pytest.raises(ValueError, match="cannot be called 'default'"):
        training.by_path({"default": SGD}, default=SGD)


# --- remat, norms


def test_remat_keeps_nothing_and_changes_nothing():
    deep = fn.Chain(*[fn.Dense(64), fn.tanh] * 6, fn.Dense(1))
    batch = pairs(4096)

    def kept(remat):
        loss_fn = regression(deep)
        step = training.make_step(loss_fn, SGD, remat=remat)
        text = str(jax.make_jaxpr(step)(train_state(deep), batch))
        return text.count("remat")

    assert kept(False) == 0
    assert kept(True) > 0
    small = pairs(8)
    options = {"loss_fn": regression(deep), "net": deep, "batch": small}
    plain, again = after(**options)[0].params, after(remat=True, **options)[0].params
    chex.assert_trees_all_close(plain, again, rtol=1e-5, atol=1e-6)


def test_norms_of_the_gradient_by_layer():
    state = train_state(NET)

    def loss(params):
        return NET_LOSS(params, state.state, BATCH, key=None, train=True)[0]

    grads = jax.grad(loss)(state.params)
    _, metrics = after(1, gradient_norms=True)
    assert set(metrics) == {
        "loss",
        "gradient_norm",
        "gradient_norm/0",
        "gradient_norm/2",
    }
    np.testing.assert_allclose(
        metrics["gradient_norm"], optax.tree.norm(grads), rtol=1e-5
    )
    for layer in (0, 2):
        norm = optax.tree.norm(grads[layer])
        np.testing.assert_allclose(metrics[f"gradient_norm/{layer}"], norm, rtol=1e-5)
