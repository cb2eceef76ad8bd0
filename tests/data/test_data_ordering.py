"""`order`, `batches` and `count_batches`."""

import hashlib

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcnn.data import DataError, batches, count_batches, order

GOLDEN_FIRST = [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
GOLDEN_HASH = "5eba24a98dce7db8744c410637af9324a07bf4d42be10f65d05b4fb3169c4f45"
WORDS = st.integers(0, 2**32 - 1)


@given(st.integers(0, 300), WORDS, WORDS)
def test_order_is_a_permutation_and_a_pure_function(n, seed, epoch):
    drawn = order(n, seed=seed, epoch=epoch)
    assert drawn.dtype == np.int64
    np.testing.assert_array_equal(np.sort(drawn), np.arange(n))
    np.testing.assert_array_equal(drawn, order(n, seed=seed, epoch=epoch))


def test_order_never_changes_between_versions():
    assert order(10, seed=0, epoch=0).tolist() == GOLDEN_FIRST
    drawn = order(60_000, seed=2**32 - 1, epoch=7)
    assert hashlib.sha256(drawn.astype("<i8").tobytes()).hexdigest() == GOLDEN_HASH


def test_order_differs_between_seeds_and_epochs():
    drawn = {
        tuple(order(50, seed=seed, epoch=epoch))
        for seed in range(8)
        for epoch in range(8)
    }
    assert len(drawn) == 64


def test_order_puts_every_example_everywhere_alike():
    places = np.array([order(4, seed=1, epoch=epoch) for epoch in range(4000)])
    counts = np.array([(places == example).sum(axis=0) for example in range(4)])
    assert abs(counts - 1000).max() < 5 * np.sqrt(4000 * 0.25 * 0.75)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": -1}, "n must not be negative, but is -1"),
        ({"seed": -1}, "seed must be .* but is -1"),
        ({"seed": 2**32}, "seed must be .* but is 4294967296"),
        ({"epoch": -1}, "epoch must be .* but is -1"),
        ({"epoch": 2**32}, "epoch must be .* but is 4294967296"),
    ],
)
def test_order_refuses(arguments, words):
    with pytest.raises(DataError, match=words):
        order(**{"n": 3, "seed": 0, "epoch": 0} | arguments)


INPUTS = np.arange(23 * 2, dtype=np.float32).reshape(23, 2)
TARGETS = np.arange(23, dtype=np.int32)


def epoch_of(data=(INPUTS, TARGETS), batch_size=5, **options):
    return list(batches(data, batch_size, **{"seed": 3, "epoch": 1} | options))


def test_batches_follow_the_order_and_keep_pairs_together():
    gone_through = epoch_of()
    assert len(gone_through) == count_batches(23, 5) == 4
    expected = order(23, seed=3, epoch=1)[:20].reshape(4, 5)
    for (inputs, targets), rows in zip(gone_through, expected, strict=True):
        assert (inputs.dtype, targets.dtype) == (np.float32, np.int32)
        np.testing.assert_array_equal(targets, rows)
        np.testing.assert_array_equal(inputs, INPUTS[rows])


def test_batches_differ_between_epochs():
    def targets(epoch):
        return np.concatenate([targets for _, targets in epoch_of(epoch=epoch)])

    assert set(targets(1)) != set(targets(2)), "what is left over changes too"
    assert not np.array_equal(targets(1), targets(2))


@pytest.mark.parametrize("start", range(5))
def test_batches_resume(start):
    rest = epoch_of(start=start)
    whole = epoch_of()[start:]
    assert len(rest) == len(whole) == 4 - start
    for resumed, expected in zip(rest, whole, strict=True):
        for one, other in zip(resumed, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_batches_of_one_and_of_three_arrays_and_of_jax_arrays():
    ((only,),) = epoch_of(data=(TARGETS,), batch_size=23)
    assert sorted(only) == list(range(23))
    for a, b, c in epoch_of(data=(TARGETS, jnp.asarray(TARGETS), INPUTS)):
        assert isinstance(b, np.ndarray)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(2 * a, c[:, 0])


def test_batches_do_not_write_to_the_data():
    before = TARGETS.copy()
    for _, targets in epoch_of():
        targets[:] = -1
    np.testing.assert_array_equal(TARGETS, before)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, but is 0"),
        ({"batch_size": 24}, "batch_size 24 is more than the 23 examples"),
        ({"start": -1}, "start must be from 0 to 4, but is -1"),
        ({"start": 5}, "start must be from 0 to 4, but is 5"),
        ({"data": (INPUTS, TARGETS[:22])}, r"one length, but has \[23, 22\]"),
        ({"data": ()}, r"one length, but has \[\]"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_batches_refuse_at_once(options, words):
    arguments = {"data": (INPUTS, TARGETS), "batch_size": 5, "seed": 0, "epoch": 0}
    with pytest.raises(DataError, match=words):
        batches(**arguments | options)


@pytest.mark.parametrize(
    ("n", "batch_size", "expected"), [(23, 5, 4), (20, 5, 4), (5, 5, 1), (3, 1, 3)]
)
def test_count_batches(n, batch_size, expected):
    assert count_batches(n, batch_size) == expected


@pytest.mark.parametrize(("n", "batch_size"), [(3, 0), (3, -1), (3, 4), (0, 1)])
def test_count_batches_refuses(n, batch_size):
    with pytest.raises(DataError, match="batch_size"):
        count_batches(n, batch_size)
