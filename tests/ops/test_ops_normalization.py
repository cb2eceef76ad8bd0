"""What the docstrings of the normalization ops promise beyond their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import assert_near, refused
from shares import a_share

import funcnn as fn
from funcnn import ops

DRAWN = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(DRAWN.standard_normal(shape))


def bytes_of(*arrays):
    return sum(array.nbytes for array in arrays)


# Against plain NumPy.


def test_rms_norm_divides_by_the_root_of_the_mean_square():
    x, scale = normal(4, 5), normal(5)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.1) * scale
    assert_near(ops.rms_norm(x, scale, eps=0.1), expected, 1e-14)


def test_add_rms_norm_is_rms_norm_of_a_sum_and_the_sum():
    x, residual, scale = normal(4, 5), normal(4, 5), normal(5)
    y, total = ops.add_rms_norm(x, residual, scale)
    assert_near(total, x + residual, 0)
    assert_near(y, ops.rms_norm(x + residual, scale), 1e-15)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm_takes_channels_that_follow_each_other(groups):
    x, scale, bias = normal(2, 3, 4, 6), normal(6), normal(6)
    parts = np.split(np.asarray(x), groups, axis=-1)
    means = [p.mean((1, 2, 3), keepdims=True) for p in parts]
    stds = [np.sqrt(p.var((1, 2, 3), keepdims=True) + 0.1) for p in parts]
    h = np.concatenate([(p - m) / s for p, m, s in zip(parts, means, stds)], -1)
    y = ops.group_norm(x, scale, bias, groups, eps=0.1)
    assert_near(y, jnp.asarray(h * scale + bias), 1e-13)


def test_instance_norm_and_layer_norm_are_the_ends_of_group_norm():
    x, scale, bias = normal(2, 5, 3), normal(3), normal(3)
    alone = ops.group_norm(x, scale, bias, 3)
    assert_near(ops.instance_norm(x, scale, bias), alone, 1e-15)
    rows = ops.group_norm(x.reshape(10, 3), scale, bias, 1)
    assert_near(ops.layer_norm(x, scale, bias).reshape(10, 3), rows, 1e-13)


@pytest.mark.parametrize("dtype", a_share([jnp.float32, jnp.bfloat16, jnp.float16], 3))
@pytest.mark.parametrize("value", [3.0, -1234.5, 60000.0])
def test_equal_values_give_the_bias_however_large_they_are(value, dtype):
    x = jnp.full((2, 700, 3), value, dtype)
    scale, bias = jnp.full(3, 2, dtype), jnp.array([1, 0, -2], dtype)
    rows = jnp.full((2, 700), value, dtype), jnp.full(700, 2, dtype)
    for y in (
        ops.batch_norm(x, scale, bias)[0],
        ops.group_norm(x, scale, bias, 1),
        ops.instance_norm(x, scale, bias),
    ):
        np.testing.assert_array_equal(y, jnp.broadcast_to(bias, x.shape))
    np.testing.assert_array_equal(ops.layer_norm(*rows, rows[1]), 0 * rows[0] + 2)
    np.testing.assert_array_equal(ops.moments(x)[1], 0)


def test_squares_of_half_precision_do_not_overflow():
    x = jnp.array([[3000.0, -3000.0, 3000.0]], jnp.float16)
    one = jnp.ones(3, jnp.float16)
    expected = jnp.array([[1, -1, 1]], jnp.float16)
    np.testing.assert_array_equal(ops.rms_norm(x, one), expected)
    np.testing.assert_allclose(ops.unit_norm(x), expected / 3**0.5, rtol=1e-3)


# Lengths and singular values.


@pytest.mark.parametrize("size", [1e-30, 1e30, 3e38])
def test_unit_norm_neither_overflows_nor_underflows(size):
    x = jnp.array([3.0, -4.0], jnp.float32) * (jnp.float32(size) / 4)
    np.testing.assert_allclose(ops.unit_norm(x), [0.6, -0.8], rtol=1e-6)
    (dx,) = jax.vjp(ops.unit_norm, x)[1](jnp.array([1.0, 0.0], jnp.float32))
    expected = np.array([0.64, 0.48]) / (1.25 * size)
    np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=1e-38)


@pytest.mark.slow
def test_unit_norm_of_zeros_is_zeros_and_so_is_its_gradient():
    x = jnp.array([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]])
    y, pull = jax.vjp(ops.unit_norm, x)
    assert_near(y, jnp.array([[0.0, 0.0, 0.0], [1 / 3, 2 / 3, 2 / 3]]), 1e-15)
    assert np.asarray(pull(jnp.ones_like(y))[0][0]).tolist() == [0, 0, 0]
    second = jax.hessian(lambda x: ops.unit_norm(x).sum())(x)
    assert np.isfinite(second).all()


def test_unit_norm_over_other_axes_and_of_single_entries():
    x = normal(3, 4, 2)
    y = ops.unit_norm(x, (0, -1))
    assert_near((y**2).sum((0, 2)), jnp.ones(4), 1e-14)
    one, pull = jax.vjp(ops.unit_norm, jnp.array([[3.0], [-0.1]]))
    assert one.tolist() == [[1], [-1]]
    assert pull(jnp.array([[0.3], [0.7]]))[0].tolist() == [[0], [0]]


def test_weight_norm_gives_each_feature_the_length_that_scale_says():
    kernel, scale = normal(3, 2, 4), jnp.array([1.0, 2.0, 0.5, 3.0])
    w, pull = jax.vjp(ops.weight_norm, kernel, scale)
    assert_near(jnp.sqrt((w**2).sum((0, 1))), scale, 1e-14)
    dkernel, _ = pull(normal(3, 2, 4))
    assert_near((dkernel * kernel).sum((0, 1)), jnp.zeros(4))  # orthogonal


def test_weight_norm_of_a_feature_of_zeros_is_zeros():
    kernel = normal(3, 2).at[:, 1].set(0)
    w, pull = jax.vjp(ops.weight_norm, kernel, jnp.ones(2))
    dkernel, dscale = pull(jnp.ones((3, 2)))
    assert w[:, 1].tolist() == dkernel[:, 1].tolist() == [0, 0, 0]
    assert dscale[1] == 0


def singular(kernel):
    return jnp.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


@pytest.mark.slow
def test_spectral_norm_and_its_gradient_reach_those_of_the_singular_value():
    kernel, u, g = normal(2, 3, 4), normal(4), normal(2, 3, 4)
    y, pull, _ = jax.vjp(
        lambda k: ops.spectral_norm(k, u, n_steps=200), kernel, has_aux=True
    )
    expected, exact = jax.vjp(lambda k: k / singular(k), kernel)
    assert_near(y, expected, 1e-10)
    assert_near(pull(g), exact(g), 1e-8)
    assert singular(y) == pytest.approx(1)


def test_spectral_norm_keeps_u_without_a_step_and_moves_it_with_one():
    kernel, u = normal(3, 4), normal(4)
    u = u / jnp.linalg.norm(u)
    y, kept = ops.spectral_norm(kernel, u, n_steps=0)
    assert_near(kept, u, 0)
    assert_near(y, kernel / jnp.linalg.norm(kernel @ u), 1e-14)
    _, moved = ops.spectral_norm(kernel, u)
    _, twice = ops.spectral_norm(kernel, u, n_steps=2)
    assert_near(ops.spectral_norm(kernel, moved)[1], twice, 1e-13)
    gradient = jax.grad(lambda u: ops.spectral_norm(kernel, u)[0].sum())(u)
    assert gradient.tolist() == [0, 0, 0, 0]


def test_spectral_norm_keeps_dtypes_and_zeros():
    kernel, u = jnp.zeros((3, 4), jnp.bfloat16), jnp.ones(4, jnp.float32)
    y, new = ops.spectral_norm(kernel, u)
    assert (y.dtype, new.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_array_equal(y, kernel)


# What is kept.


def test_batch_norm_keeps_nothing_twice():
    x, scale, bias = normal(4, 3), normal(3), normal(3)
    kept = fn.saved_bytes(ops.batch_norm, x, scale, bias)
    assert kept == bytes_of(x, scale, scale, scale)  # x, scale, mean and r
    assert fn.saved_bytes(ops.moments, x) == bytes_of(x)


def test_add_rms_norm_keeps_the_sum_and_neither_term():
    x, residual, scale = normal(4, 5), normal(4, 5), normal(5)
    kept = fn.saved_bytes(ops.add_rms_norm, x, residual, scale)
    assert kept == bytes_of(x, scale, x[:, 0])  # the sum, scale and r


# Bad input.

THREE = jnp.ones(3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.rms_norm(normal(2, 4), THREE), ["rms_norm", "(2, 4)", "(3,)"]),
        (lambda: ops.rms_norm(jnp.float32(1), THREE), ["()", "(3,)"]),
        (
            lambda: ops.add_rms_norm(normal(2, 3), normal(3), THREE),
            ["add_rms_norm", "(2, 3)", "(3,)"],
        ),
        (
            lambda: ops.add_rms_norm(normal(2, 4), normal(2, 4), THREE),
            ["add_rms_norm", "scale", "(3,)"],
        ),
        (lambda: ops.group_norm(THREE, THREE, THREE, 1), ["group_norm", "(3,)"]),
        (
            lambda: ops.group_norm(normal(2, 3), THREE, THREE, 2),
            ["group_norm", "divide", "3", "2"],
        ),
        (
            lambda: ops.group_norm(normal(2, 3), THREE, THREE, 0),
            ["group_norm", "divide", "0"],
        ),
        (
            lambda: ops.instance_norm(normal(2, 4), THREE, normal(4)),
            ["instance_norm", "scale", "(3,)"],
        ),
        (
            lambda: ops.weight_norm(normal(2, 4), THREE),
            ["weight_norm", "(2, 4)", "(3,)"],
        ),
        (lambda: ops.weight_norm(THREE, THREE), ["weight_norm", "(3,)"]),
        (
            lambda: ops.spectral_norm(normal(2, 4), THREE),
            ["spectral_norm", "(2, 4)", "(3,)"],
        ),
    ],
)
def test_shapes_that_do_not_fit(call, words):
    with refused(fn.ShapeError, words):
        call()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: ops.unit_norm(normal(2, 3), 2),
            ValueError,
            ["unit_norm", "2", "axes"],
        ),
        (lambda: ops.unit_norm(normal(2, 3), (0, -2)), ValueError, ["(0, -2)"]),
        (lambda: ops.unit_norm(jnp.arange(3)), TypeError, ["unit_norm", "int"]),
        (
            lambda: ops.spectral_norm(normal(2, 3), THREE, n_steps=-1),
            ValueError,
            ["n_steps", "-1"],
        ),
    ],
)
def test_arguments_that_are_not_understood(call, error, words):
    with refused(error, words):
        call()
