"""Layers that are `Dense` and more, and those that are a function."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.nn import initializers
from layer_table import made, shape

import funcnn as fn

X = shape(8, 4)


def test_lora_starts_as_the_dense_layer_of_the_same_key():
    lora, _, x = made(fn.LoRA(3, rank=2), X, seed=1)
    dense, _, _ = made(fn.Dense(3), X, seed=1)
    for name in ("kernel", "bias"):
        np.testing.assert_array_equal(lora[name], dense[name])
    got = fn.LoRA(3, rank=2).apply(lora, (), x)[0]
    np.testing.assert_allclose(got, fn.Dense(3).apply(dense, (), x)[0], rtol=1e-6)


def test_lora_draws_its_kernels_apart():
    draw = initializers.normal()
    layer = fn.LoRA(2, rank=2, kernel_init=draw, lora_init=draw)
    params, _, _ = made(layer, X)
    assert not np.isin(params["kernel"], params["lora_a"]).any()


@pytest.mark.parametrize("use_bias", [True, False])
def test_lora_merged_is_the_dense_layer_that_does_the_same(use_bias):
    layer = fn.LoRA(3, rank=2, alpha=5.0, use_bias=use_bias)
    params, _, x = made(layer, X)
    assert layer.scale == 2.5
    params["lora_b"] = params["lora_b"] + 1
    merged = layer.merged(params)
    dense = fn.Dense(3, use_bias=use_bias).apply(merged, (), x)[0]
    np.testing.assert_allclose(layer.apply(params, (), x)[0], dense, rtol=1e-5)
    assert set(merged) == ({"kernel", "bias"} if use_bias else {"kernel"})


def test_only_the_adapter_of_a_lora_is_trained_by_name():
    params, _, x = made(fn.LoRA(3, rank=2), X)
    labels = {n: "adapted" if n.startswith("lora") else "held" for n in params}
    optimizer = optax.partition(
        {"adapted": optax.sgd(0.1), "held": optax.set_to_zero()}, labels
    )
    loss = lambda p: (fn.LoRA(3, rank=2).apply(p, (), x)[0] ** 2).sum()  # noqa: E731
    updates, _ = optimizer.update(jax.grad(loss)(params), optimizer.init(params))
    moved = {name for name, update in updates.items() if np.asarray(update).any()}
    assert moved == {"lora_b"}  # lora_a moves when lora_b is no longer 0


def test_lora_refuses_a_rank_of_0():
    with pytest.raises(fn.LayerError, match="LoRA: rank must be 1 or more, got 0"):
        fn.LoRA(3, rank=0)


def test_a_quantized_layer_is_a_product_of_integers():
    layer = fn.QuantizedDense(3, bits=3)
    params, _, x = made(layer, X)
    y, _ = layer.apply(params, (), x)
    steps = params["input_step"], params["kernel_step"]
    whole = [
        np.clip(np.round(np.asarray(a) / s), -4, 3)
        for a, s in zip((x, params["kernel"]), steps)
    ]
    wanted = whole[0] @ whole[1] * steps[0] * steps[1] + params["bias"]
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_many_bits_are_as_good_as_floats():
    layer = fn.QuantizedDense(3, bits=16)
    params, _, x = made(layer, X)
    params["input_step"] = params["kernel_step"] = jnp.float32(2e-4)
    dense = fn.Dense(3).apply(params, (), x)[0]
    np.testing.assert_allclose(layer.apply(params, (), x)[0], dense, atol=5e-3)


def test_steps_start_where_the_paper_has_them():
    params, _, _ = made(fn.QuantizedDense(50, bits=4), shape(2, 40))
    mean = np.abs(params["kernel"]).mean()
    assert params["kernel_step"] == pytest.approx(2 * mean / 7**0.5, rel=1e-5)
    x = np.abs(np.random.default_rng(0).standard_normal(100_000)).mean()
    assert params["input_step"] == pytest.approx(2 * x / 7**0.5, rel=0.01)
    unsigned, _, _ = made(fn.QuantizedDense(5, bits=4, signed_input=False), X)
    assert unsigned["input_step"] == pytest.approx(2 * x / 15**0.5, rel=0.01)


def test_the_gradients_of_the_steps_are_scaled_as_in_the_paper():
    layer = fn.QuantizedDense(3, bits=3)
    params, _, x = made(layer, X)
    gradient = jax.grad(lambda p: layer.apply(p, (), x)[0].sum())(params)

    def plainly(steps):
        kernel = fn.fake_quantize(params["kernel"], steps[0], bits=3)
        rounded = fn.fake_quantize(x, steps[1], bits=3)
        return (rounded @ kernel + params["bias"]).sum()

    plain = jax.grad(plainly)((params["kernel_step"], params["input_step"]))
    scale = 1 / np.sqrt(3 * np.array([12, 4]))
    got = gradient["kernel_step"], gradient["input_step"]
    np.testing.assert_allclose(got, scale * np.array(plain), rtol=1e-5)


def test_a_quantized_layer_refuses_one_bit():
    with pytest.raises(fn.LayerError, match="QuantizedDense: bits must be from 2"):
        fn.QuantizedDense(3, bits=1)


@pytest.mark.parametrize("layer", [fn.DropPath(0.5), fn.SpatialDropout(0.5)])
def test_what_is_dropped_at_once_is_the_identity_outside_training(layer):
    x = jnp.ones((3, 2, 4))
    assert layer.apply((), (), x)[0] is x
    with pytest.raises(fn.MissingKeyError, match=type(layer).__name__):
        layer.apply((), (), x, train=True)
    with pytest.raises(fn.LayerError, match="rate must be from 0 to 1"):
        type(layer)(1.5)


def test_drop_path_leaves_layers_out():
    layer = fn.Residual(fn.Chain(fn.Dense(4), fn.DropPath(0.5)))
    params, state, _ = made(layer, shape(50, 4))
    x = jnp.ones((50, 4))
    y, _ = layer.apply(params, state, x, key=jax.random.key(0), train=True)
    full = 1 + 2 * params[0][0]["kernel"].sum(0)
    for row in np.asarray(y):
        assert np.allclose(row, 1) or np.allclose(row, full, rtol=1e-5)
    assert 10 < (np.asarray(y) == 1).all(-1).sum() < 40


def test_spatial_dropout_and_broadcast_dims_drop_channels():
    x = jnp.ones((5, 3, 3, 8))
    for layer in (fn.SpatialDropout(0.5), fn.Dropout(0.5, broadcast_dims=(1, 2))):
        y, _ = layer.apply((), (), x, key=jax.random.key(0), train=True)
        assert (y == y[:, :1, :1]).all()
        assert set(np.unique(y)) == {0, 2}


def test_lambda_names_its_function_in_errors():
    first = fn.Lambda(lambda x: fn.affine(x[:, 0], jnp.ones((3, 2))), "first token")
    model = fn.Chain(fn.relu, first)
    with pytest.raises(fn.ShapeError) as caught:
        model.apply(((), ()), (), jnp.ones((2, 3, 5)))
    assert caught.value.path == "Chain[1].Lambda(first token)"
    y, state = model.apply(((), ()), (), jnp.ones((2, 4, 3)))
    assert y.shape == (2, 2)
    assert state == ()


@pytest.mark.parametrize("function", [3, None, fn.Dense, fn.Dense(3)])
def test_lambda_refuses_what_is_no_function(function):
    with pytest.raises(TypeError, match="Lambda: needs a function of one array"):
        fn.Lambda(function)


def test_feed_forward_is_two_dense_layers():
    layer = fn.FeedForward(6, jnp.sin, bias_init=initializers.normal())
    params, _, x = made(layer, X)
    up, down = params["up"], params["down"]
    wanted = jnp.sin(x @ up["kernel"] + up["bias"]) @ down["kernel"] + down["bias"]
    np.testing.assert_allclose(layer.apply(params, (), x)[0], wanted, rtol=1e-5)
    plain, _, _ = made(fn.FeedForward(6, use_bias=False), X)
    assert {len(part) for part in plain.values()} == {1}


def test_feed_forward_refuses_a_number():
    with pytest.raises(fn.ShapeError, match="FeedForward: needs x of shape"):
        fn.FeedForward(3).init(jax.random.key(0), shape())
