"""What the losses' docstrings promise beyond their gradients; values are Optax's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from matrix import assert_near, refused
from optax import losses
from scipy.spatial import distance
from shares import a_share

import funcnn as fn
from funcnn import ops

HALF = [jnp.float16, jnp.bfloat16]


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


X, Y, Z = np.random.default_rng(1).standard_normal((3, 3, 4))
P, Q = (np.exp(v) / np.exp(v).sum(-1, keepdims=True) for v in (X, Y))
SIGNS = np.sign(Y)
LABELS = np.array([0, 3, 1])
COUNTS = np.array([[0, 3, 1, 2]] * 3)
FAR = np.array([700.0, -700.0, 1e4, -1e4, 0.0])
MAPS = np.stack([X, Y], -1)  # of two classes
MASKS = np.stack([P, 1 - P], -1)
LOG_P, LOG_Q = np.log(P), np.log(Q)


def _integer(logits):
    return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.arange(3))


def _of_numbers(logits):
    return optax.softmax_cross_entropy_with_integer_labels(logits, LABELS)


VALUES = {
    "squared_error": lambda: (ops.squared_error(X, Y), losses.squared_error(X, Y)),
    "l2_loss": lambda: (ops.l2_loss(X, Y), losses.l2_loss(X, Y)),
    "absolute_error": lambda: (ops.absolute_error(X, Y), jnp.abs(X - Y)),
    "huber_loss": lambda: (
        ops.huber_loss(X, Y, delta=0.7),
        losses.huber_loss(X, Y, delta=0.7),
    ),
    "log_cosh_loss": lambda: (ops.log_cosh_loss(X, 3 * Y), losses.log_cosh(X, 3 * Y)),
    "hinge_loss": lambda: (ops.hinge_loss(X, SIGNS), losses.hinge_loss(X, SIGNS)),
    "perceptron_loss": lambda: (
        ops.perceptron_loss(X, SIGNS),
        losses.perceptron_loss(X, SIGNS),
    ),
    "focal": lambda: (ops.sigmoid_focal_loss(X, P), losses.sigmoid_focal_loss(X, P)),
    "focal with its options": lambda: (
        ops.sigmoid_focal_loss(X, P > 0.3, alpha=0.25, gamma=1.5),
        losses.sigmoid_focal_loss(X, P > 0.3, alpha=0.25, gamma=1.5),
    ),
    "kl_divergence": lambda: (
        ops.kl_divergence(LOG_P, Q),
        losses.kl_divergence(LOG_P, Q),
    ),
    "kl_divergence_with_log_targets": lambda: (
        ops.kl_divergence_with_log_targets(LOG_P, LOG_Q),
        losses.kl_divergence_with_log_targets(LOG_P, LOG_Q),
    ),
    "jensen_shannon": lambda: (
        ops.jensen_shannon(P, Q),
        jnp.asarray(distance.jensenshannon(P, Q, axis=-1) ** 2),
    ),
    "cosine_similarity": lambda: (
        ops.cosine_similarity(X, Y),
        losses.cosine_similarity(X, Y),
    ),
    "cosine_distance": lambda: (
        ops.cosine_distance(X, Y, epsilon=4.0),
        losses.cosine_distance(X, Y, epsilon=4.0),
    ),
    "triplet_margin_loss": lambda: (
        ops.triplet_margin_loss(X, Y, Z),
        losses.triplet_margin_loss(X, Y, Z),
    ),
    "dice_loss": lambda: (ops.dice_loss(MAPS, MASKS), losses.dice_loss(MAPS, MASKS)),
    "dice_loss of one class": lambda: (
        ops.dice_loss(X[..., None], COUNTS[..., None] // 2, smooth=0.1, alpha=0.3),
        losses.dice_loss(X[..., None], COUNTS[..., None] // 2, smooth=0.1, alpha=0.3),
    ),
    "poisson_nll": lambda: (ops.poisson_nll(X, COUNTS), jnp.exp(X) - COUNTS * X),
    "gaussian_nll": lambda: (
        ops.gaussian_nll(X, P, Y),
        -jax.scipy.stats.norm.logpdf(Y, X, P**0.5) - np.log(2 * np.pi) / 2,
    ),
    "distributions, smoothed": lambda: (
        ops.softmax_cross_entropy(X, P, label_smoothing=0.1),
        optax.softmax_cross_entropy(X, losses.smooth_labels(P, 0.1)),
    ),
    "class numbers, smoothed": lambda: (
        ops.softmax_cross_entropy(X, LABELS, label_smoothing=0.1),
        optax.softmax_cross_entropy(X, losses.smooth_labels(jnp.eye(4)[LABELS], 0.1)),
    ),
    "z_loss": lambda: (
        ops.softmax_cross_entropy(X, LABELS, z_loss=0.3),
        _of_numbers(X) + 0.3 * jax.nn.logsumexp(X, -1) ** 2,
    ),
    "linear_cross_entropy": lambda: (
        ops.linear_cross_entropy(X, X.T @ Y, LABELS, chunk=2),
        _of_numbers(X @ (X.T @ Y)),
    ),
    "info_nce": lambda: (
        ops.info_nce(X, Y, temperature=0.2),
        _integer(losses.cosine_similarity(X[:, None], Y) / 0.2),
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    assert_near(*VALUES[name](), 1e-12)


def test_info_nce_finds_partners_both_ways():
    one, other = ops.info_nce(X, Y), ops.info_nce(Y, X)
    assert_near(ops.info_nce(X, Y, symmetric=True), (one + other) / 2, 1e-12)


# Class numbers.


def test_an_ignored_row_costs_nothing_whatever_its_logits():
    logits = jnp.asarray(X).at[1, 2].set(jnp.nan)
    for index, dtype in [(3, jnp.int8), (255, jnp.uint8), (-100, jnp.int32)]:
        labels = jnp.array([0, index, 1], dtype)
        loss, pull = jax.vjp(
            lambda x, y=labels, i=index: ops.softmax_cross_entropy(
                x, y, ignored_index=i, label_smoothing=0.1, z_loss=0.1
            ),
            logits,
        )
        assert np.isfinite(loss).all()
        assert loss[1] == 0
        (dlogits,) = pull(jnp.ones(3))
        assert np.isfinite(dlogits).all()
        assert not dlogits[1].any()
    labels = jnp.array([0, 7, 1], jnp.uint8)  # -1 is none of these
    loss = ops.softmax_cross_entropy(X, labels, ignored_index=-1)
    assert np.isnan(loss).tolist() == [False, True, False]


def test_small_class_numbers_reach_all_of_many_classes():
    logits, labels = normal(2, 300), np.array([255, 3])
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    found = ops.softmax_cross_entropy(logits, labels.astype(np.uint8))
    assert_near(found, expected, 1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_a_sure_right_answer_keeps_its_digits_in_float32(offset):
    logits = jnp.array([[20.0, 0.0, -2.0]], jnp.float32) + jnp.float32(offset)
    label = jnp.array([0])
    loss, slopes = jax.value_and_grad(
        lambda x: ops.softmax_cross_entropy(x, label).sum()
    )(logits)
    others = np.exp([-20.0, -22.0])
    assert float(loss) == pytest.approx(np.log1p(others.sum()), rel=1e-6)
    share = others / (1 + others.sum())
    assert slopes[0].tolist() == pytest.approx([-share.sum(), *share], rel=1e-6)


def test_a_class_of_probability_0_and_logit_minus_infinity_costs_nothing():
    logits, p = jnp.array([0.0, -jnp.inf, 1.0]), jnp.array([0.5, 0.0, 0.5])
    loss, dlogits = jax.value_and_grad(ops.softmax_cross_entropy)(logits, p)
    keep = jnp.array([0, 2])
    assert_near(loss, optax.softmax_cross_entropy(logits[keep], p[keep]), 1e-12)
    assert dlogits[1] == 0


@pytest.mark.parametrize("rows", a_share([7, 1, 9, 12], 4))
def test_linear_cross_entropy_is_that_of_the_product(rows):
    x, kernel = normal(rows, 5), normal(5, 10, seed=1)
    labels = jnp.asarray(np.random.default_rng(0).integers(0, 10, rows))
    options = {"label_smoothing": 0.1, "z_loss": 0.01, "ignored_index": 2}

    def whole(x, kernel):
        return ops.softmax_cross_entropy(x @ kernel, labels, **options)

    def by_chunks(x, kernel):
        return ops.linear_cross_entropy(x, kernel, labels, chunk=4, **options)

    for found, expected in zip(
        *(jax.vjp(f, x, kernel)[1](normal(rows)) for f in (by_chunks, whole))
    ):
        assert_near(found, expected, 1e-12)
    assert_near(by_chunks(x, kernel), whole(x, kernel), 1e-12)


def test_linear_cross_entropy_of_labels_that_are_no_class_and_of_none():
    x, kernel = normal(3, 2), normal(2, 4)
    loss = ops.linear_cross_entropy(x, kernel, jnp.array([0, 4, -1]), chunk=2)
    assert np.isnan(loss).tolist() == [False, True, True]
    empty = ops.linear_cross_entropy(x[:0], kernel, jnp.zeros(0, int))
    assert empty.shape == ops.info_nce(x[:0], x[:0]).shape == (0,)


def test_linear_cross_entropy_never_holds_the_logits_of_a_batch():
    rows, n, classes = 1024, 16, 4096
    types = [(rows, n), (n, classes)]
    labels = jnp.zeros(rows, jnp.int32)

    def loss(x, kernel):
        return ops.linear_cross_entropy(x, kernel, labels, chunk=64).sum()

    both = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in types]
    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    used = gradient.lower(*both).compile().memory_analysis().temp_size_in_bytes
    assert used < rows * classes * 4 / 4
    kept = fn.saved_bytes(loss, *both)
    assert kept <= 4 * (rows * n + n * classes + 4 * rows)


# Extremes.


@pytest.mark.parametrize("y", [0.0, 1.0, 0.3])
def test_focal_loss_is_finite_and_keeps_its_tails(y):
    loss, slopes = jax.vmap(
        jax.value_and_grad(lambda x: ops.sigmoid_focal_loss(x, jnp.float64(y)))
    )(FAR)
    assert np.isfinite(loss).all()
    assert np.isfinite(slopes).all()
    sure = ops.sigmoid_focal_loss(jnp.float32(20), jnp.float32(1))
    assert float(sure) == pytest.approx(np.exp(-60.0), rel=1e-5)
    dy = jax.grad(ops.sigmoid_focal_loss, 1)(jnp.float32(300), jnp.float32(1))
    assert np.isfinite(dy)


def test_log_cosh_keeps_its_digits_for_small_and_large_differences():
    d = jnp.array([1e-6, 0.3, 1.0, 3.0, 1e4], jnp.float32)
    exact = np.asarray(d, float)
    small = np.array([exact[0] ** 2 / 2, *np.log(np.cosh(exact[1:4]))])
    found = ops.log_cosh_loss(d, 0 * d)
    np.testing.assert_allclose(found[:4], small, rtol=1e-6)
    assert float(found[4]) == pytest.approx(1e4 - np.log(2))


def test_no_probability_costs_nothing():
    p = jnp.array([0.0, 1.0, 0.0])
    q = jnp.array([0.5, 0.5, 0.0])
    x = jnp.log(q)  # -inf where p is 0 too
    loss, (dx, dp) = jax.value_and_grad(ops.kl_divergence, (0, 1))(x, p)
    assert float(loss) == pytest.approx(np.log(2))
    assert dx.tolist() == [0, -1, 0]
    assert dp.tolist() == pytest.approx([np.log(2), 1 + np.log(2), 0])
    logs = jax.value_and_grad(ops.kl_divergence_with_log_targets, (0, 1))
    loss, (dx, dq) = logs(x, jnp.log(p))
    assert float(loss) == pytest.approx(np.log(2))
    assert dq.tolist() == pytest.approx([0, 1 + np.log(2), 0])
    loss, (dp, dq) = jax.value_and_grad(ops.jensen_shannon, (0, 1))(p, q)
    assert float(loss) == pytest.approx(distance.jensenshannon(p, q) ** 2)
    assert dp.tolist() == pytest.approx([-0.5, np.log(4 / 3) / 2, 0])
    assert dq.tolist() == pytest.approx([np.log(2) / 2, np.log(2 / 3) / 2, 0])


def test_jensen_shannon_keeps_its_digits_for_like_distributions():
    p = np.array([0.25, 0.75])
    q = p + np.array([2.0**-12, -(2.0**-12)])
    exact = ops.jensen_shannon(p, q)
    found = ops.jensen_shannon(p.astype(np.float32), q.astype(np.float32))
    assert float(found) == pytest.approx(float(exact), rel=1e-6)
    one, other = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    assert float(ops.jensen_shannon(one, other)) == pytest.approx(np.log(2))


def test_a_rate_of_0_costs_nothing_without_counts():
    loss = ops.poisson_nll(jnp.array([-jnp.inf, -jnp.inf]), jnp.array([0, 1]))
    assert loss.tolist() == [0, np.inf]


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_cosines_of_vectors_whose_squares_are_not_in_range(size):
    a, b = (v.astype(jnp.float32) * np.float32(size) for v in (X, Y))
    similarity, (da, db) = jax.value_and_grad(
        lambda a, b: ops.cosine_similarity(a, b).sum(), (0, 1)
    )(a, b)
    exact, slopes = jax.value_and_grad(
        lambda a, b: ops.cosine_similarity(a, b).sum(), (0, 1)
    )(X, Y)
    assert float(similarity) == pytest.approx(float(exact), rel=1e-5)
    for found, slope in zip((da, db), slopes):
        scaled = np.asarray(found, float) * size
        np.testing.assert_allclose(scaled, slope, atol=1e-5)
    far = ops.triplet_margin_loss(a, b, a)
    assert np.isfinite(far).all()


def test_the_cosine_of_a_vector_of_zeros_is_0_and_has_slope_0():
    a, b = jnp.asarray(X).at[0].set(0), Y
    for op, value in [(ops.cosine_similarity, 0), (ops.cosine_distance, 1)]:
        found, pull = jax.vjp(op, a, b)
        assert found[0] == value
        assert not any(d[0].any() for d in pull(jnp.ones(3)))
    da = jax.grad(lambda a: ops.cosine_similarity(a, b, epsilon=0.04)[0])(a)
    assert_near(da[0], b[0] / jnp.linalg.norm(b[0]) / 0.2, 1e-12)
    loss, pull = jax.vjp(ops.info_nce, a, b)
    assert np.isfinite(loss).all()
    assert not pull(jnp.ones(3))[0][0].any()


def test_cosine_distance_keeps_its_digits_for_nearly_parallel_vectors():
    a = jnp.array([1.0, 1e-4], jnp.float32)
    b = jnp.array([1.0, 0.0], jnp.float32)
    assert float(ops.cosine_distance(a, b)) == pytest.approx(5e-9, rel=1e-4)
    one = jnp.array([[0.3], [-2.0]])
    assert ops.cosine_similarity(one, -one).tolist() == [-1, -1]


def test_slopes_at_kinks():
    assert jax.grad(ops.absolute_error)(0.0, 0.0) == 0
    assert jax.grad(ops.hinge_loss)(1.0, 1.0) == 0
    assert jax.grad(ops.perceptron_loss)(0.0, 1.0) == 0
    assert jax.grad(ops.gaussian_nll, 1)(0.0, 0.1, 1.0, eps=0.1) == 0
    a = jnp.array([1.0, 2.0])
    assert not jax.grad(ops.triplet_margin_loss)(a, a, a, margin=0.0).any()


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_does_not_overflow_inside(dtype):
    far = jnp.array([6e4], dtype)
    assert jax.grad(lambda x: ops.absolute_error(x, -far).sum())(far) == 1
    assert jax.grad(lambda x: ops.huber_loss(x, -far).sum())(far) == 1
    assert jax.grad(lambda x: ops.log_cosh_loss(x, -far).sum())(far) == 1
    variance = jnp.array([3e4], dtype)
    dmean = jax.grad(lambda x: ops.gaussian_nll(x, variance, -far).sum())(far)
    assert float(dmean[0]) == pytest.approx(4, rel=0.01)
    many = jnp.ones((1, 70_000, 1), dtype)
    loss = ops.dice_loss(many, many, apply_softmax=False)
    assert loss.tolist() == [0]
    pair = jnp.array([6e4, 6e4], dtype)
    assert float(ops.cosine_similarity(pair, pair)) == pytest.approx(1, rel=0.01)
    assert float(ops.triplet_margin_loss(pair, pair, pair)) == 1


# Bad input.


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.huber_loss(X, Y[0]), fn.ShapeError, ["(3, 4)", "(4,)"]),
        (lambda: ops.huber_loss(X, Y, delta=0.0), ValueError, ["delta", "0.0"]),
        (lambda: ops.l2_loss(X, LABELS), TypeError, ["targets", "int"]),
        (lambda: ops.hinge_loss(X, SIGNS[0]), fn.ShapeError, ["hinge_loss", "(4,)"]),
        (lambda: ops.sigmoid_focal_loss(X, P, gamma=-1), ValueError, ["gamma", "-1"]),
        (lambda: ops.kl_divergence(X, P[0]), fn.ShapeError, ["log_predictions"]),
        (lambda: ops.gaussian_nll(X, P, Y, eps=0), ValueError, ["eps", "0"]),
        (lambda: ops.gaussian_nll(X, P[0], Y), fn.ShapeError, ["variances (4,)"]),
        (lambda: ops.triplet_margin_loss(X, Y, Z, eps=0), ValueError, ["eps"]),
        (lambda: ops.triplet_margin_loss(*[X[0, 0]] * 3), fn.ShapeError, ["()"]),
        (lambda: ops.cosine_distance(X[0, 0], Y[0, 0]), fn.ShapeError, ["()"]),
        (
            lambda: ops.cosine_similarity(X, Y, epsilon=-1),
            ValueError,
            ["epsilon", "-1"],
        ),
        (lambda: ops.dice_loss(X, Y), fn.ShapeError, ["(3, 4)"]),
        (
            lambda: ops.dice_loss(X[None], Y[None], smooth=0),
            ValueError,
            ["smooth", "0"],
        ),
        (lambda: ops.info_nce(X[0], Y[0]), fn.ShapeError, ["(4,)"]),
        (lambda: ops.info_nce(X, Y, temperature=X[0]), fn.ShapeError, ["(4,)"]),
        (
            lambda: ops.linear_cross_entropy(X, normal(4, 2), LABELS[:2]),
            fn.ShapeError,
            ["(3, 4)", "(2,)"],
        ),
        (
            lambda: ops.linear_cross_entropy(X, normal(3, 2), LABELS),
            fn.ShapeError,
            ["linear_cross_entropy", "(3, 2)"],
        ),
        (
            lambda: ops.linear_cross_entropy(X, normal(4, 2), LABELS, chunk=0),
            ValueError,
            ["chunk", "0"],
        ),
        (
            lambda: ops.softmax_cross_entropy(X, LABELS, label_smoothing=1.5),
            ValueError,
            ["label_smoothing", "1.5"],
        ),
        (
            lambda: ops.softmax_cross_entropy(X, P, ignored_index=0),
            ValueError,
            ["ignored_index", "distributions"],
        ),
    ],
)
def test_arguments_that_do_not_fit(call, error, words):
    with refused(error, words):
        call()
