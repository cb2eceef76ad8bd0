"""Masks over whole channels and whole examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import refused

import funcnn as fn
from funcnn import ops

KEY = jax.random.key(0)
ONES = jnp.ones((400, 3, 2, 5))


def test_drop_path_drops_whole_examples():
    y = np.asarray(ops.drop_path(ONES, KEY, 0.25)).reshape(400, -1)
    assert (y == y[:, :1]).all()
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.75])
    assert (y[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.1)


def test_spatial_dropout_drops_whole_channels():
    y = np.asarray(ops.spatial_dropout(ONES, KEY, 0.25)).reshape(400, -1, 5)
    assert (y == y[:, :1]).all()
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.75])
    dropped = y[:, 0] == 0
    assert dropped.mean() == pytest.approx(0.25, abs=0.05)
    both = (dropped[:, :-1] & dropped[:, 1:]).mean()  # channels apart
    assert both == pytest.approx(0.0625, abs=0.04)


@pytest.mark.parametrize("op", [ops.dropout, ops.drop_path, ops.spatial_dropout])
def test_the_gradient_is_the_mask(op):
    x = jnp.ones((4, 2, 3))
    dx = jax.grad(lambda x: op(x, KEY, 0.5).sum())(x)
    np.testing.assert_array_equal(dx, op(x, KEY, 0.5))


def test_broadcast_dims_are_flaxs():
    x = jnp.ones((6, 5, 4))
    y = ops.dropout(x, KEY, 0.5, broadcast_dims=(-3, 1))
    assert (y == y[:1, :1]).all()
    assert len(np.unique(y)) == 2
    np.testing.assert_array_equal(
        ops.dropout(x, KEY, 0.5, broadcast_dims=[1, 2]), ops.drop_path(x, KEY, 0.5)
    )
    np.testing.assert_array_equal(
        ops.dropout(x, KEY, 0.5, broadcast_dims=[1]), ops.spatial_dropout(x, KEY, 0.5)
    )


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-3])
def test_masks_have_their_rate_in_rows_in_columns_and_along_bits(rate):
    """Within five standard deviations of what independent entries would have."""
    n = 512
    dropped = np.asarray(ops.dropout(jnp.ones((n, n)), KEY, rate)) == 0
    deviation = (rate * (1 - rate)) ** 0.5
    assert abs(dropped.mean() - rate) <= 5 * deviation / n
    for axis in (0, 1):
        assert abs(dropped.mean(axis) - rate).max() <= 5 * deviation / n**0.5
    for apart in (1, 2, 4, 16, 128, n, 4 * n, n * n // 2):  # neighbours in a bit
        both = dropped.ravel() & np.roll(dropped.ravel(), apart)
        assert abs(both.mean() - rate**2) <= 5 * deviation / n


def test_masks_of_other_keys_have_nothing_in_common():
    keys = jax.random.split(KEY, 64)
    draw = jax.jit(jax.vmap(lambda key: ops.dropout(jnp.ones(4096), key, 0.5)))
    signs = np.asarray(draw(keys)) - 1
    correlations = signs @ signs.T / 4096
    assert abs(correlations - np.eye(64)).max() <= 5 / 4096**0.5


def test_no_mask_is_in_memory():
    x = jnp.ones((64, 1024))
    pulled = jax.jit(lambda x, g: jax.vjp(lambda x: ops.dropout(x, KEY, 0.1), x)[1](g))
    memory = pulled.lower(x, x).compile().memory_analysis()
    assert memory.temp_size_in_bytes < x.size


def test_masks_are_not_saved():
    x = jnp.ones((50, 7, 9))
    for op in (ops.drop_path, ops.spatial_dropout):
        assert fn.saved_bytes(lambda x, op=op: op(x, KEY, 0.5), x) == 8


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: ops.drop_path(1.0, KEY, 0.5),
            fn.ShapeError,
            ["drop_path", "(batch, ...)", "()"],
        ),
        (
            lambda: ops.spatial_dropout(jnp.ones((2, 3)), KEY, 0.5),
            fn.ShapeError,
            ["spatial_dropout", "(batch, *spatial, channels)", "(2, 3)"],
        ),
        (
            lambda: ops.dropout(jnp.ones(3), KEY, 0.5, broadcast_dims=[1]),
            fn.ShapeError,
            ["dropout", "axis 1", "(3,)"],
        ),
        (lambda: ops.drop_path(ONES, KEY, -1), ValueError, ["drop_path", "-1"]),
        (lambda: ops.spatial_dropout(ONES, KEY, 2), ValueError, ["spatial", "2"]),
        (
            lambda: ops.drop_path(jnp.arange(3), KEY, 0.5),
            TypeError,
            ["drop_path", "int"],
        ),
        (
            lambda: ops.drop_path(ONES, jax.random.split(KEY), 0.5),
            TypeError,
            ["drop_path", "one key"],
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, words):
    with refused(error, words):
        call()
