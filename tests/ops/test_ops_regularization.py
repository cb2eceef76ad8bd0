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
