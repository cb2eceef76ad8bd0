"""What the docstrings of the softmax family promise beyond their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import assert_near, refused
from shares import a_share

import funcnn as fn
from funcnn import ops

DRAWN = np.random.default_rng(0)
KEY = jax.random.key(0)
INF, NAN = jnp.inf, jnp.nan


def normal(*shape):
    return jnp.asarray(DRAWN.standard_normal(shape))


def gradient(f, x, g):
    return jax.vjp(f, x)[1](g)[0]


# Masks, and what is not finite.

MASK = jnp.array([[True, False, True], [False, False, False], [True, True, True]])


@pytest.mark.parametrize("axis", a_share([0, -1, (0, 1), None], 4))
@pytest.mark.parametrize("where", [None, MASK, MASK[2], MASK[:, :1]])
def test_values_are_those_of_jax_nn(axis, where):
    x = normal(3, 3)
    assert_near(ops.softmax(x, axis, where), jax.nn.softmax(x, axis, where), 1e-14)
    for keepdims in (False, True):
        got = ops.logsumexp(x, axis, keepdims=keepdims, where=where)
        expected = jax.nn.logsumexp(x, axis, keepdims=keepdims, where=where)
        np.testing.assert_allclose(got, expected, rtol=1e-14)
    expected = jax.nn.log_softmax(x, axis, where)
    np.testing.assert_allclose(ops.log_softmax(x, axis, where), expected, rtol=1e-14)


@pytest.mark.parametrize("op", [ops.softmax, ops.log_softmax, ops.logsumexp])
@pytest.mark.parametrize("hidden", [NAN, INF, -INF])
def test_what_is_masked_reaches_nothing_and_gets_nothing(op, hidden):
    x = normal(3, 3)
    spoilt = jnp.where(MASK, x, hidden)
    y, pull = jax.vjp(lambda x: op(x, -1, where=MASK), spoilt)
    np.testing.assert_array_equal(y, op(x, -1, where=MASK))
    g = normal(*y.shape)
    if op is not ops.logsumexp:
        g = jnp.where(MASK, g, hidden)
    (dx,) = pull(g)
    assert np.isfinite(dx).all()
    assert not np.any(dx * ~MASK)
    assert np.any(dx * MASK)


def test_a_row_without_an_entry_is_zeros_or_minus_infinity():
    x = normal(3, 3)
    assert ops.softmax(x, where=MASK)[1].tolist() == [0, 0, 0]
    assert ops.log_softmax(x, where=MASK)[1].tolist() == [-INF] * 3
    assert ops.logsumexp(x, -1, where=MASK)[1] == -INF
    assert ops.softmax(jnp.ones((2, 0))).shape == (2, 0)
    assert ops.logsumexp(jnp.ones((2, 0)), -1).tolist() == [-INF, -INF]


def test_softmax_at_infinities():
    x = jnp.array([[0.0, -INF, 0.0], [-INF, -INF, -INF], [0.0, INF, 1.0]])
    y = ops.softmax(x)
    assert y[0].tolist() == [0.5, 0, 0.5]
    assert np.isnan(y[1:]).all()
    assert np.isnan(ops.log_softmax(x)[1:]).all()
    assert gradient(ops.softmax, x, jnp.eye(3))[0, 1] == 0


def test_logsumexp_at_infinities():
    x = jnp.array([[-INF, -INF], [INF, 0.0], [INF, INF], [-INF, 2.0], [NAN, 0.0]])
    z, pull = jax.vjp(lambda x: ops.logsumexp(x, -1), x)
    np.testing.assert_array_equal(z, [-INF, INF, INF, 2, NAN])
    (dx,) = pull(jnp.full(5, 4.0))
    expected = [[0, 0], [4, 0], [2, 2], [0, 4], [NAN, NAN]]
    np.testing.assert_array_equal(dx, expected)


# Digits.


@pytest.mark.parametrize("gap", [1.0, 20.0, 40.0, 300.0])
def test_a_probability_near_1_has_the_digits_of_its_complement(gap):
    x, tail = jnp.array([gap, 0.0, 0.0]), 2 * np.exp(-gap)
    y = ops.log_softmax(x)
    np.testing.assert_allclose(y[0], -np.log1p(tail), rtol=1e-14)
    first = jnp.array([1.0, 0.0, 0.0])
    exact = np.array([tail, -tail / 2, -tail / 2]) / (1 + tail)
    np.testing.assert_allclose(gradient(ops.log_softmax, x, first), exact, rtol=1e-13)
    through = gradient(ops.softmax, x, 0.1 + first)
    np.testing.assert_allclose(through, exact / (1 + tail), rtol=1e-12)
    small = ops.logsumexp(x - gap, -1)
    np.testing.assert_allclose(small, np.log1p(tail), rtol=1e-13)


def test_logsumexp_s_gradient_keeps_its_digits_far_from_0():
    x = jnp.array([1e6, 1e6 + 1], jnp.float32)
    dx = gradient(lambda x: ops.logsumexp(x), x, jnp.float32(1))
    np.testing.assert_allclose(dx, 1 / (1 + np.exp([1.0, -1.0])), rtol=3e-7)


@pytest.mark.parametrize("op", [ops.softmax, ops.sparsemax, ops.entmax15])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_of_a_distribution_the_sum_has_no_gradient(op, dtype):
    x = 3 * normal(4, 20).astype(dtype)
    dx = gradient(op, x, jnp.full((4, 20), 7, dtype)).astype(jnp.float32)
    assert abs(dx).max() <= 2e-5  # and not the 0.1 that 7 y has lost


def test_log_softmax_of_half_precision_does_not_feel_its_rounding():
    """All of 1000 are equal: 1 - 1000 p is 0, and not what exp(y) has lost."""
    x = jnp.zeros(1000, jnp.bfloat16)
    dx = gradient(ops.log_softmax, x, jnp.ones_like(x)).astype(jnp.float32)
    assert abs(dx).max() < 1e-5


# Distributions with zeros.


def by_bisection(x, power):
    """max(x - tau, 0)^power with the tau at which the sum is 1."""
    low, high = x.max(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(60):
        tau = (low + high) / 2
        above = (np.maximum(x - tau, 0) ** power).sum(-1, keepdims=True) > 1
        low, high = np.where(above, tau, low), np.where(above, high, tau)
    return np.maximum(x - low, 0) ** power


@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_sparse_distributions_are_those_of_their_definition(spread):
    x = np.asarray(spread * normal(20, 30))
    for op, half, power in [(ops.sparsemax, 1, 1), (ops.entmax15, 0.5, 2)]:
        y = op(jnp.asarray(x))
        np.testing.assert_allclose(y, by_bisection(half * x, power), atol=1e-14)
        np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-13)


@pytest.mark.slow
def test_sparse_distributions_of_equal_few_and_far_entries():
    for op in (ops.sparsemax, ops.entmax15):
        np.testing.assert_allclose(op(jnp.full(4, 1e6)), 0.25, rtol=1e-12)
        assert op(jnp.array([5.0])).tolist() == [1]
        assert gradient(op, jnp.array([5.0]), jnp.array([3.0])).tolist() == [0]
        assert op(jnp.array([1e38, -1e38], jnp.float32)).tolist() == [1, 0]
        without = op(jnp.array([0.0, -INF, 0.0]))
        np.testing.assert_allclose(without, [0.5, 0, 0.5], rtol=1e-15)
        for bad in ([0.0, INF], [-INF, -INF], [0.0, NAN]):
            assert np.isnan(op(jnp.array(bad))).all()
        x = normal(2, 3, 4)
        moved = op(x.transpose(0, 2, 1)).transpose(0, 2, 1)
        assert_near(op(x, axis=1), moved, 1e-15)


def test_sparsemax_keeps_a_byte_per_entry():
    assert fn.saved_bytes(ops.sparsemax, normal(5, 7)) == 35


# Samples.


def test_gumbel_softmax_s_samples_have_the_probabilities_of_the_logits():
    logits = jnp.array([0.0, 1.0, -1.0])
    keys = jax.random.split(KEY, 20_000)
    draw = jax.jit(jax.vmap(lambda key: ops.gumbel_softmax(logits, key, hard=True)))
    samples = draw(keys)
    assert np.unique(samples).tolist() == [0, 1]
    assert (samples.sum(-1) == 1).all()
    np.testing.assert_allclose(samples.mean(0), ops.softmax(logits), atol=0.02)


def test_gumbel_softmax_draws_the_same_in_every_dtype():
    logits = jnp.zeros((50, 4))
    expected = ops.gumbel_softmax(logits, KEY, temperature=0.7)
    for dtype in (jnp.float32, jnp.bfloat16):
        y = ops.gumbel_softmax(logits.astype(dtype), KEY, temperature=0.7)
        assert y.dtype == dtype
        np.testing.assert_allclose(y.astype(float), expected, atol=0.004)


def test_hard_samples_are_the_largest_and_have_the_gradient_of_the_soft_ones():
    logits, g = normal(6, 4), normal(6, 4)

    def sample(logits, temperature, hard):
        return ops.gumbel_softmax(logits, KEY, temperature=temperature, hard=hard)

    soft, pull = jax.vjp(lambda *args: sample(*args, False), logits, 0.5)
    hard, straight = jax.vjp(lambda *args: sample(*args, True), logits, 0.5)
    assert_near(hard, jax.nn.one_hot(soft.argmax(-1), 4, dtype=soft.dtype), 0)
    assert_near(straight(g), pull(g), 1e-15)
    across = ops.gumbel_softmax(logits.T, KEY, temperature=0.5, hard=True, axis=0)
    assert_near(across.T, hard, 0)


def test_a_sample_of_nan_is_nan():
    logits = jnp.array([[0.0, NAN], [0.0, 1.0]])
    y = ops.gumbel_softmax(logits, KEY, hard=True)
    assert np.isnan(y).tolist() == [[True, True], [False, False]]


# Bad input.


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.softmax(jnp.arange(3)), TypeError, ["softmax", "int"]),
        (lambda: ops.softmax(normal(3), 1), ValueError, ["softmax", "axis", "1"]),
        (
            lambda: ops.softmax(normal(3), where=jnp.ones(3)),
            TypeError,
            ["softmax", "where", "float"],
        ),
        (
            lambda: ops.log_softmax(normal(2, 3), where=MASK),
            ValueError,
            ["log_softmax", "(3, 3)", "(2, 3)"],
        ),
        (
            lambda: ops.logsumexp(normal(3), where=MASK),
            ValueError,
            ["logsumexp", "(3, 3)", "(3,)"],
        ),
        (lambda: ops.logsumexp(normal(3), (0, 0)), ValueError, ["(0, 0)"]),
        (lambda: ops.sparsemax(normal(3), 2), ValueError, ["sparsemax", "2"]),
        (lambda: ops.entmax15(jnp.arange(3)), TypeError, ["entmax15", "int"]),
        (
            lambda: ops.gumbel_softmax(normal(3), KEY, temperature=jnp.array(1)),
            TypeError,
            ["temperature", "int"],
        ),
        (
            lambda: ops.gumbel_softmax(normal(3), KEY, temperature=0),
            ValueError,
            ["temperature", "0"],
        ),
        (
            lambda: ops.gumbel_softmax(normal(3), KEY, temperature=jnp.ones(3)),
            ValueError,
            ["temperature", "(3,)"],
        ),
        (
            lambda: ops.gumbel_softmax(normal(3), jnp.ones(2)),
            TypeError,
            ["gumbel_softmax", "key"],
        ),
    ],
)
def test_arguments_that_are_not_understood(call, error, words):
    with refused(error, words):
        call()
