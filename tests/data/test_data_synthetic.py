"""`two_classes` and `truth_table`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcnn.data import DataError, truth_table, two_classes

KEY = jax.random.key(0)


def test_two_classes_shapes_dtypes_and_balance():
    points, labels = two_classes(KEY, 101)
    assert (points.shape, points.dtype) == ((101, 2), jnp.float32)
    assert (labels.shape, labels.dtype) == ((101,), jnp.int32)
    assert np.bincount(labels).tolist() == [51, 50]


def test_two_classes_is_a_pure_function_of_the_key():
    np.testing.assert_array_equal(two_classes(KEY)[0], two_classes(KEY)[0])
    other = two_classes(jax.random.key(1))[0]
    assert not np.array_equal(two_classes(KEY)[0], other)
    assert len(np.unique(two_classes(KEY)[0])) == 400


def test_two_classes_lie_on_their_crescents_without_noise():
    points, labels = map(np.asarray, two_classes(KEY, 1000, noise=0))
    upper, lower = points[labels == 0], points[labels == 1]
    ones = np.ones(500)
    np.testing.assert_allclose(np.hypot(*upper.T), ones, rtol=1e-5)
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), ones, rtol=1e-5)
    assert upper[:, 1].min() >= -1e-6
    assert lower[:, 1].max() <= 0.5 + 1e-6
    assert upper[:, 0].min() < -0.95
    assert upper[:, 0].max() > 0.95


def test_two_classes_noise_is_the_standard_deviation_of_each_coordinate():
    noisy, quiet = (two_classes(KEY, 5000, noise=noise)[0] for noise in (0.3, 0))
    covariance = np.cov(np.asarray(noisy - quiet), rowvar=False)
    np.testing.assert_allclose(covariance, 0.09 * np.eye(2), atol=0.01)


def test_no_straight_line_parts_two_classes():
    points, labels = map(np.asarray, two_classes(KEY, 400, noise=0))
    for angle in np.linspace(0, np.pi, 180, endpoint=False):
        along = points @ [np.cos(angle), np.sin(angle)]
        one, other = along[labels == 0], along[labels == 1]
        assert one.min() < other.max()
        assert other.min() < one.max()


def test_two_classes_is_traceable():
    jitted = jax.jit(two_classes, static_argnums=1)(KEY, 10)
    np.testing.assert_allclose(jitted[0], two_classes(KEY, 10)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"n": 1}, "n must be at least 2"), ({"noise": -0.1}, "noise must not be neg")],
)
def test_two_classes_refuses(options, words):
    with pytest.raises(DataError, match=words):
        two_classes(KEY, **options)


@pytest.mark.parametrize("bits", [1, 3, 6])
def test_truth_table_has_every_row_once(bits):
    inputs, targets = truth_table(KEY, bits)
    assert (inputs.shape, inputs.dtype) == ((2**bits, bits), jnp.float32)
    assert (targets.shape, targets.dtype) == ((2**bits,), jnp.float32)
    assert set(np.unique(inputs)) == {0, 1}
    assert len(np.unique(inputs, axis=0)) == 2**bits
    np.testing.assert_array_equal(targets, 1 - inputs[:, -1])


def test_truth_table_draws_its_order_from_the_key():
    first, again, other = (truth_table(jax.random.key(s), 5)[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_truth_table_of_another_function():
    inputs, targets = truth_table(KEY, 4, lambda row: row.sum() % 2 == 1)
    assert targets.dtype == jnp.float32
    np.testing.assert_array_equal(targets, np.asarray(inputs).sum(axis=1) % 2)


@pytest.mark.parametrize("bits", [0, -1, 21])
def test_truth_table_refuses_bits(bits):
    with pytest.raises(DataError, match=f"bits must be from 1 to 20, but is {bits}"):
        truth_table(KEY, bits)


def test_truth_table_refuses_a_function_of_many_numbers():
    with pytest.raises(DataError, match=r"one number for a row, but gives \(3,\)"):
        truth_table(KEY, 3, lambda row: 1 - row)
