"""Repeat is a chain in one loop; Remat is the layer with less memory."""

import time

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layer_table import made, shape

import funcnn as fn

X = shape(4, 3)
BLOCK = fn.Chain(
    fn.BatchNorm(momentum=0.9), fn.Residual(fn.Chain(fn.Dense(3), fn.Dropout(0.3)))
)


def stacked(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@pytest.mark.parametrize("layer", [fn.Repeat(BLOCK, 3), fn.Repeat(fn.Remat(BLOCK), 3)])
def test_repeat_is_a_chain(layer):
    chain = fn.Chain(BLOCK, BLOCK, BLOCK)
    key = jax.random.key(7)

    def run(model, stack):
        params, state = model.init(jax.random.key(0), X)

        def loss(params, x):
            y, new = model.apply(params, state, x, key=key, train=True)
            return jnp.sin(y).sum(), new

        x = jax.random.normal(key, X.shape)
        value, gradient = jax.value_and_grad(loss, (0, 1), has_aux=True)(params, x)
        return params, value, gradient, stack

    params, (loss, state), (dparams, dx), _ = jax.jit(run, static_argnums=(0, 1))(
        layer, True
    )
    c_params, (c_loss, c_state), (c_dparams, c_dx), _ = jax.jit(
        run, static_argnums=(0, 1)
    )(chain, False)
    chex.assert_trees_all_close(params, stacked(c_params), rtol=1e-6)
    np.testing.assert_allclose(loss, c_loss, rtol=1e-6)
    chex.assert_trees_all_close(state, stacked(c_state), rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(dparams, stacked(c_dparams), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dx, c_dx, rtol=1e-4, atol=1e-5)


def test_every_turn_draws_for_itself():
    layer = fn.Repeat(fn.Dropout(0.5), 2)
    x = jnp.ones((100, 100))
    y, _ = layer.apply((), (), x, key=jax.random.key(0), train=True)
    assert set(np.unique(y)) == {0, 4}
    assert (y == 4).mean() == pytest.approx(0.25, abs=0.03)


def test_the_program_does_not_grow_with_depth():
    def program(depth):
        model = fn.Repeat(fn.Residual(fn.FeedForward(5)), depth)
        params, state = jax.eval_shape(lambda k: model.init(k, X), jax.random.key(0))
        loss = lambda p, x: model.apply(p, state, x)[0].sum()  # noqa: E731
        return str(jax.make_jaxpr(jax.grad(loss))(params, X)).count("dot_general")

    assert program(48) == program(2)


@pytest.mark.slow
def test_it_compiles_in_a_time_that_does_not_grow_with_depth():
    def seconds(depth):
        block = fn.Residual(fn.Chain(fn.LayerNorm(), fn.FeedForward(64)))
        model, x = fn.Repeat(block, depth), shape(8, 16)
        params, state = jax.eval_shape(lambda k: model.init(k, x), jax.random.key(0))
        number = time.time_ns() % 10**6  # a program that no cache has
        loss = lambda p, x: model.apply(p, state, x)[0].sum() * number  # noqa: E731
        lowered = jax.jit(jax.grad(loss)).lower(params, x)
        start = time.process_time()
        lowered.compile()
        return time.process_time() - start

    seconds(3)
    assert seconds(48) < 1.5 * seconds(2)


def test_a_summary_counts_all_turns():
    layer, x = fn.Dense(3), X
    one, ten = fn.summary(layer, x), fn.summary(fn.Repeat(layer, 10), x)
    assert [row.path for row in ten.rows] == ["Repeat"]
    assert ten.parameters == 10 * one.parameters
    assert ten.forward_flops == 10 * one.forward_flops


def test_what_repeat_refuses():
    with pytest.raises(fn.LayerError, match="Repeat: count must be 1 or more, got 0"):
        fn.Repeat(fn.relu, 0)
    with pytest.raises(TypeError, match="Repeat: got the class Dense"):
        fn.Repeat(fn.Dense, 2)
    model = fn.Chain(fn.relu, fn.Repeat(fn.Dense(4), 2))
    with pytest.raises(fn.ShapeError) as caught:
        model.init(jax.random.key(0), X)
    assert caught.value.path == "Chain[1].Repeat"
    assert "float32[4, 4] must be as its input float32[4, 3]" in str(caught.value)
    params, _, x = made(fn.Repeat(fn.Dense(3), 2), X)
    with pytest.raises(fn.LayerError, match=r"a first axis of 3, got \(2, 3\)"):
        fn.Repeat(fn.Dense(3), 3).apply(params, (), x)
    with pytest.raises(fn.ShapeError, match=r"Repeat\.Dense"):
        fn.Repeat(fn.Dense(3), 2).apply(params, (), x[:, :2])
    with pytest.raises(fn.MissingKeyError, match=r"Repeat\.Dropout"):
        fn.Repeat(fn.Dropout(0.5), 2).apply((), (), x, train=True)


def test_remat_has_the_layers_parameters_and_keeps_less():
    layer = fn.Chain(fn.Dense(50), fn.gelu, fn.Dense(50), fn.gelu, fn.Dense(3))
    params, state, x = made(layer, X)
    again, _, _ = made(fn.Remat(layer), X)
    chex.assert_trees_all_equal(params, again)
    saved, all_saved = (
        fn.saved_bytes(lambda p, x, m=m: m.apply(p, state, x)[0], params, x)
        for m in (fn.Remat(layer), layer)
    )
    numbers = sum(leaf.size for leaf in jax.tree.leaves(params)) + x.size
    assert saved <= 4 * numbers < all_saved


def test_remat_follows_its_policy():
    layer = fn.Chain(fn.Dense(50), fn.gelu, fn.Dense(3))
    params, state, x = made(layer, X)
    policy = jax.checkpoint_policies.everything_saveable
    saved = [
        fn.saved_bytes(lambda p, x, m=m: m.apply(p, state, x)[0], params, x)
        for m in (fn.Remat(layer), fn.Remat(layer, policy), layer)
    ]
    assert saved[0] < saved[1] == saved[2]
    assert repr(fn.Remat(fn.relu, policy)) == "Remat(relu, policy=everything_saveable)"


def test_remat_is_seen_through():
    (row,) = fn.summary(fn.Chain(fn.Remat(fn.Dense(2))), X).rows
    assert row.path == "Chain[0].Remat.Dense"
    with pytest.raises(TypeError, match="Remat: needs a layer"):
        fn.Remat(3)
