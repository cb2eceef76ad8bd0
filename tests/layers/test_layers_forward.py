"""Each layer's output against the plain formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from layer_table import made, shape

import funcnn as fn


def applied(layer, x, **options):
    """The output as a NumPy array, with what it was made of."""
    params, state, x = made(layer, x)
    y, new_state = jax.jit(lambda p, s, x: layer.apply(p, s, x, **options))(
        params, state, x
    )
    return np.asarray(y), jax.tree.map(np.asarray, params), np.asarray(x), new_state


def close(actual, wanted):
    np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


def test_dense():
    y, params, x, _ = applied(
        fn.Dense(3, bias_init=jax.nn.initializers.ones), shape(2, 4)
    )
    close(y, x @ params["kernel"] + 1)


def test_binary_dense():
    y, params, x, _ = applied(fn.BinaryDense(3), shape(2, 4))
    kernel = params["kernel"]
    close(y, x @ (np.abs(kernel).mean() * np.sign(kernel)))


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((1, 0), (0, 2))])
def test_conv(padding):
    layer = fn.Conv(
        6,
        (3, 2),
        stride=(2, 1),
        padding=padding,
        dilation=(1, 2),
        groups=2,
        bias_init=jax.nn.initializers.ones,
    )
    y, params, x, _ = applied(layer, shape(2, 6, 5, 4))
    wanted = lax.conv_general_dilated(
        x,
        params["kernel"],
        (2, 1),
        padding,
        rhs_dilation=(1, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=2,
    )
    close(y, wanted + 1)


def windows_2x2(x):
    """(batch, height / 2, width / 2, c, 4)."""
    n, h, w, c = x.shape
    parts = x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 5, 2, 4)
    return parts.reshape(n, h // 2, w // 2, c, 4)


def test_max_pool():
    y, _, x, _ = applied(fn.MaxPool((2, 2)), shape(2, 4, 6, 3))
    close(y, windows_2x2(x).max(-1))


def test_avg_pool():
    y, _, x, _ = applied(fn.AvgPool(2), shape(2, 4, 6, 3))
    close(y, windows_2x2(x).mean(-1))


def test_pools_with_stride_and_padding():
    y, _, x, _ = applied(fn.MaxPool(2, stride=1, padding="SAME"), shape(1, 3, 1))
    close(y[0, :, 0], [max(x[0, 0, 0], x[0, 1, 0]), *[max(x[0, 1:, 0]), x[0, 2, 0]]])
    y, _, x, _ = applied(fn.AvgPool(2, stride=1, padding=[(1, 0)]), shape(1, 3, 1))
    x = x[0, :, 0]
    close(y[0, :, 0], [x[0] / 2, (x[0] + x[1]) / 2, (x[1] + x[2]) / 2])


def test_flatten():
    y, _, x, _ = applied(fn.Flatten(), shape(2, 3, 4))
    np.testing.assert_array_equal(y, x.reshape(2, 12))


def test_flatten_of_an_empty_batch_and_of_an_empty_image():
    for sizes, flat in [((0, 3, 4), (0, 12)), ((2, 0, 4), (2, 0)), ((3,), (3, 1))]:
        y, _ = fn.Flatten().apply((), (), jnp.zeros(sizes))
        assert y.shape == flat


def test_layer_norm():
    y, _, x, _ = applied(fn.LayerNorm(eps=0.1), shape(2, 5))
    wanted = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
    close(y, wanted)


def test_layer_norm_scales_and_shifts():
    layer, x = fn.LayerNorm(), jnp.array([1.0, 3.0])
    params = {"scale": jnp.array([2.0, 4.0]), "bias": jnp.array([1.0, 0.0])}
    y, _ = layer.apply(params, (), x)
    np.testing.assert_allclose(y, [-1, 4], rtol=1e-4)


def test_embed():
    y, params, ids, _ = applied(fn.Embed(7, 3), shape(2, 5, dtype="int32"))
    np.testing.assert_array_equal(y, params["embedding"][ids])


def test_embed_of_a_number_that_is_no_id():
    params = {"embedding": jnp.ones((7, 3))}
    y, _ = fn.Embed(7, 3).apply(params, (), jnp.array([0, 7, -1]))
    assert np.isnan(y).tolist() == [[False] * 3, [True] * 3, [True] * 3]


@pytest.mark.parametrize(
    ("layer", "x", "name", "deviation"),
    [
        (fn.Dense(400), shape(1, 100), "kernel", 0.1),
        (fn.BinaryDense(400), shape(1, 100), "kernel", 0.1),
        (fn.Conv(400, (5, 5)), shape(1, 5, 5, 8), "kernel", 0.1),
        (fn.Conv(400, (5, 5), groups=2), shape(1, 5, 5, 16), "kernel", 0.1),
        (fn.Embed(400, 100), shape(1, dtype="int32"), "embedding", 0.1),
    ],
)
def test_initial_parameters_have_mean_0_and_the_documented_deviation(
    layer, x, name, deviation
):
    params, _, _ = made(layer, x)
    drawn = np.asarray(params[name])
    np.testing.assert_allclose(drawn.std(), deviation, rtol=0.02)
    assert abs(drawn.mean()) < 5 * deviation / drawn.size**0.5


def test_initial_biases_are_0_and_scales_1():
    params, state, _ = made(
        fn.Chain(fn.Dense(3), fn.BatchNorm(), fn.LayerNorm()), shape(2, 4)
    )
    np.testing.assert_array_equal(params[0]["bias"], 0)
    for norm in params[1:]:
        np.testing.assert_array_equal(norm["scale"], 1)
        np.testing.assert_array_equal(norm["bias"], 0)
    np.testing.assert_array_equal(state[1]["mean"], 0)
    np.testing.assert_array_equal(state[1]["var"], 1)


def test_kernel_and_bias_are_drawn_apart():
    draw = jax.nn.initializers.normal()
    params, _, _ = made(fn.Dense(3, kernel_init=draw, bias_init=draw), shape(1, 1))
    assert not np.isin(params["bias"], params["kernel"]).any()
