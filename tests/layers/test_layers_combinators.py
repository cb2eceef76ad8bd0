"""Chain, Residual and Parallel; keys, states, and what they refuse."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layer_table import made, shape

import funcnn as fn

X = shape(2, 3)


def run(model, x=X, **options):
    params, state, x = made(model, x)
    y, state = model.apply(params, state, x, **options)
    return y, params, state, x


def test_chain_applies_layers_and_functions_in_order():
    y, params, state, x = run(fn.Chain(fn.Dense(3), jnp.sin, fn.Dense(1), abs))
    first, nothing, second, _ = params
    hidden = jnp.sin(x @ first["kernel"] + first["bias"])
    np.testing.assert_allclose(y, abs(hidden @ second["kernel"]), rtol=1e-5)
    assert nothing == ()
    assert state == ()


def test_state_is_empty_unless_a_layer_has_some():
    without = fn.Chain(fn.Dense(3), fn.Chain(fn.relu), fn.Residual(fn.LayerNorm()))
    assert run(without)[2] == ()
    _, _, state, _ = run(fn.Chain(fn.Dense(3), fn.Chain(fn.BatchNorm())), train=True)
    assert state[0] == ()
    assert state[1][0].keys() == {"mean", "var"}


def test_the_state_of_every_layer_is_carried_on():
    model = fn.Chain(fn.BatchNorm(momentum=0), fn.Parallel(fn.BatchNorm(momentum=0)))
    _, _, (outer, (inner,)), x = run(model, train=True)
    np.testing.assert_allclose(outer["mean"], x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(inner["mean"], 0, atol=1e-6)
    assert inner["var"].shape == (3,)


@pytest.mark.parametrize("combined", [fn.Chain, fn.Parallel])
def test_a_layer_more_at_the_end_leaves_the_other_parameters_alone(combined):
    layers = [fn.Dense(3), fn.relu, fn.Dense(3)]
    short, _, _ = made(combined(*layers), X)
    long, _, _ = made(combined(*layers, fn.Dense(5)), X)
    chex.assert_trees_all_equal(long[:3], short)


def test_a_layer_more_at_the_end_leaves_the_other_draws_alone():
    key, x = jax.random.key(0), jnp.ones(64)
    drop, keep = fn.Dropout(0.5), fn.Dropout(0)
    draw = lambda *layers: fn.Chain(*layers).apply(  # noqa: E731
        ((),) * len(layers), (), x, key=key, train=True
    )[0]
    np.testing.assert_array_equal(draw(drop), draw(drop, keep))


def test_equal_layers_draw_different_parameters():
    params, _, _ = made(fn.Chain(fn.Dense(3), fn.Dense(3)), X)
    assert not np.isin(params[0]["kernel"], params[1]["kernel"]).any()


def test_keys_of_parts_are_folded_in():
    params, _, _ = made(fn.Chain(fn.relu, fn.Dense(4)), X, seed=5)
    own = jax.random.fold_in(jax.random.key(5), 1)
    wanted = jax.jit(lambda key: fn.Dense(4).init(key, X))(own)[0]
    chex.assert_trees_all_equal(params[1], wanted)


def test_residual_adds_its_input():
    y, ((params,)), _, x = run(fn.Residual(fn.Dense(3)))
    np.testing.assert_allclose(y, x @ params["kernel"] + x, rtol=1e-5)


def test_residual_adds_its_shortcut():
    y, params, _, x = run(fn.Residual(fn.Dense(4), fn.Dense(4)))
    kernels = params[0]["kernel"] + params[1]["kernel"]
    np.testing.assert_allclose(y, x @ kernels, rtol=1e-5, atol=1e-6)


def test_residual_of_plain_functions():
    y, params, _, x = run(fn.Residual(jnp.sin, jnp.cos))
    assert params == ((), ())
    np.testing.assert_allclose(y, jnp.sin(x) + jnp.cos(x), rtol=1e-5)


def test_parallel_gives_a_tuple():
    (a, b), params, _, x = run(fn.Parallel(fn.Dense(4), jnp.sin))
    np.testing.assert_allclose(a, x @ params[0]["kernel"], rtol=1e-5)
    np.testing.assert_array_equal(b, jnp.sin(x))


def test_parallel_merges():
    y, _, _, x = run(fn.Parallel(jnp.sin, jnp.cos, merge=sum))
    np.testing.assert_array_equal(y, jnp.sin(x) + jnp.cos(x))
    joined = fn.Parallel(jnp.sin, jnp.cos, merge=lambda ys: jnp.concatenate(ys, -1))
    assert run(joined)[0].shape == (2, 6)


def test_the_output_of_parallel_goes_to_the_next_layer():
    model = fn.Chain(
        fn.Parallel(fn.Dense(2), fn.Dense(2)), lambda pair: pair[0] * pair[1]
    )
    y, (params, _), _, x = run(model)
    wanted = (x @ params[0]["kernel"]) * (x @ params[1]["kernel"])
    np.testing.assert_allclose(y, wanted, rtol=1e-5)


def test_nested_combinators():
    inner = fn.Residual(
        fn.Chain(fn.Dense(3), fn.Parallel(jnp.sin, fn.Dense(3), merge=sum))
    )
    y, params, _, x = run(fn.Chain(inner, fn.Residual(inner)))
    assert y.shape == x.shape
    assert params[1][0][0][1][1]["kernel"].shape == (3, 3)


@pytest.mark.parametrize("combined", [fn.Chain, fn.Parallel])
def test_a_class_in_place_of_a_layer_is_refused(combined):
    with pytest.raises(
        TypeError, match=r"\[1\]: got the class Flatten.*Flatten\(\.\.\.\)"
    ):
        combined(fn.relu, fn.Flatten)


@pytest.mark.parametrize("part", [3, None, "relu", [fn.Dense(3)]])
@pytest.mark.parametrize("combined", [fn.Chain, fn.Parallel])
def test_what_is_no_layer_is_refused(combined, part):
    with pytest.raises(TypeError, match=r"\[0\]: needs a layer or a function"):
        combined(part)


def test_residual_refuses_them_too():
    with pytest.raises(TypeError, match="Residual: got the class Dense"):
        fn.Residual(fn.Dense)
    with pytest.raises(TypeError, match=r"Residual\.shortcut: needs a layer"):
        fn.Residual(fn.relu, 3)


def test_a_layer_of_one_s_own_needs_only_init_and_apply():
    class Scale:
        def init(self, key, x):
            return {"scale": jnp.ones(x.shape[-1])}, ()

        def apply(self, params, state, x, *, key=None, train=False):
            return x * params["scale"], state

    y, params, _, x = run(fn.Chain(Scale(), fn.relu))
    assert params[0]["scale"].shape == (3,)
    np.testing.assert_array_equal(y, jnp.maximum(x, 0))


def test_stateless_takes_the_state_out():
    model = fn.stateless(fn.Chain(fn.Dense(3), fn.Dropout(0.5)))
    params = model.init(jax.random.key(0), X)
    x = jnp.ones((2, 3))
    y = model.apply(params, x)
    np.testing.assert_allclose(y, x @ params[0]["kernel"], rtol=1e-5)
    trained = model.apply(params, x, key=jax.random.key(1), train=True)
    assert (np.asarray(trained) == 0).any()


def test_stateless_refuses_a_model_with_state_and_names_it():
    model = fn.stateless(fn.Chain(fn.relu, fn.BatchNorm()))
    with pytest.raises(fn.LayerError, match=r"state \(1\.mean, 1\.var\)"):
        model.init(jax.random.key(0), X)
