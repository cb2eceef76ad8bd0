"""What `ctc_loss` promises beyond its gradient."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from matrix import assert_near, refused
from shares import a_share

from funcnn import ops

LABELS = np.array([[1, 2, 2], [3, 1, 0], [2, 0, 0], [0, 0, 0]])
LABEL_PADDINGS = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]])
PADDINGS = np.array([[0] * 7, [0] * 4 + [1] * 3, [1, 0, 0, 1, 0, 1, 1], [0] * 7])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def loss_and_gradient(f, logits, *args, **options):
    loss, pull = jax.vjp(lambda x: f(x, *args, **options), logits)
    return loss, pull(jnp.arange(1.0, len(loss) + 1).astype(loss.dtype))[0]


@pytest.mark.slow
@pytest.mark.parametrize("blank", a_share([4, 0], 2))
def test_agrees_with_optax(blank):
    logits = normal(4, 7, 5).astype(np.float32)
    labels = LABELS if blank == 0 else LABELS % 4
    args = (logits, np.float32(PADDINGS), labels, np.float32(LABEL_PADDINGS))
    with jax.enable_x64(False):
        got = loss_and_gradient(ops.ctc_loss, *args, blank_id=blank)
        expected = loss_and_gradient(optax.ctc_loss, *args, blank_id=blank)
    assert_near(got, expected, 1e-5)


@pytest.mark.slow
def test_is_the_sum_over_all_alignments():
    logits = normal(1, 5, 3)
    log_p = jax.nn.log_softmax(logits[0])

    def merged(path):
        return [k for k, _ in itertools.groupby(path) if k != 1]

    for labels in ([], [0], [2, 2], [0, 2, 0]):
        paths = itertools.product(range(3), repeat=5)
        fitting = np.array([path for path in paths if merged(path) == labels])
        probability = np.exp(log_p[np.arange(5), fitting].sum(-1)).sum()
        row, zeros = np.array([labels], int), np.zeros((1, len(labels)))
        loss = ops.ctc_loss(logits, np.zeros((1, 5)), row, zeros, blank_id=1)
        assert_near(loss, -jnp.log(probability)[None], 1e-12)


@pytest.mark.slow
def test_labels_without_room_have_an_infinite_loss_and_a_gradient_of_0():
    logits = normal(4, 3, 3)
    labels = np.array([[1, 1, 0], [1, 2, 1], [1, 2, 2], [1, 1, 1]])
    steps = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 1, 1]])
    paddings = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 1]])
    loss, gradient = loss_and_gradient(ops.ctc_loss, logits, steps, labels, paddings)
    assert np.isinf(loss).tolist() == [False, True, True, True]
    assert np.any(gradient[0])
    assert not np.any(gradient[1:])

    def left_out(logits):
        loss = ops.ctc_loss(logits, steps, labels, paddings)
        return jnp.where(jnp.isinf(loss), 0, loss).sum()

    assert_near(jax.grad(left_out)(logits)[0], gradient[0])


@pytest.mark.slow
def test_labels_that_are_none_give_nan_and_a_gradient_of_nan():
    logits = normal(6, 4, 3)
    labels = np.array([[1, 2], [1, 0], [1, 3], [1, -1], [1, 2], [7, -7]])
    paddings = np.array([[0, 0], [0, 0], [0, 0], [0, 0], [1, 0], [1, 1]])
    steps = np.zeros((6, 4))
    loss, gradient = loss_and_gradient(ops.ctc_loss, logits, steps, labels, paddings)
    wrong = [False, True, True, True, True, False]
    assert np.isnan(loss).tolist() == wrong
    assert np.isnan(gradient).all((1, 2)).tolist() == wrong
    assert np.isfinite(gradient[np.array([0, 5])]).all()


@pytest.mark.slow
def test_no_labels_and_no_steps():
    logits, steps = normal(2, 3, 3), np.array([[0, 0, 1], [1, 1, 1]])
    labels, paddings = np.zeros((2, 1), int), np.ones((2, 1))
    loss, gradient = loss_and_gradient(ops.ctc_loss, logits, steps, labels, paddings)
    log_p = jax.nn.log_softmax(logits[0, :2])
    assert_near(loss, jnp.array([-log_p[:, 0].sum(), 0]), 1e-12)
    assert_near(gradient[0, :2], jnp.exp(log_p) - jnp.array([1.0, 0, 0]), 1e-12)
    assert not np.any(gradient[0, 2])
    assert not np.any(gradient[1])
    empty = ops.ctc_loss(logits[:, :0], steps[:, :0], labels[:, :0], paddings[:, :0])
    assert empty.tolist() == [0, 0]


@pytest.mark.slow
def test_keeps_its_digits_over_a_long_sequence():
    """The plain recursion takes differences of logarithms as large as the loss."""
    logits = np.float32(5 * normal(1, 400, 20))
    labels = np.random.default_rng(1).integers(1, 20, (1, 50))
    rest = np.zeros((1, 400), np.float32), labels, np.zeros((1, 50), np.float32)
    _, truth = loss_and_gradient(ops.ctc_loss, logits.astype(float), *rest)

    def error(f):
        with jax.enable_x64(False):
            gradient = loss_and_gradient(f, logits, *rest)[1]
        return abs(np.asarray(gradient, float) - truth).max()

    assert error(ops.ctc_loss) < 1e-4
    assert error(ops.ctc_loss) < error(optax.ctc_loss) / 3


@pytest.mark.slow
def test_logits_of_any_size_and_half_precision():
    args = PADDINGS, LABELS, LABEL_PADDINGS
    loss, gradient = loss_and_gradient(ops.ctc_loss, 1e30 * normal(4, 7, 5), *args)
    assert np.isfinite(gradient).all()
    logits = jnp.asarray(normal(4, 7, 5), jnp.float16)
    loss, gradient = loss_and_gradient(ops.ctc_loss, logits, *args)
    assert loss.dtype == gradient.dtype == jnp.float16
    expected = ops.ctc_loss(logits.astype(float), *args)
    assert_near(loss.astype(float), expected, 2**-10)
    logits = jnp.where(jnp.arange(5) == 4, -jnp.inf, normal(4, 7, 5))
    assert np.isfinite(ops.ctc_loss(logits, *args)).all()  # a class that cannot occur


@pytest.mark.parametrize("dtype", a_share([np.uint8, bool, np.int32, jnp.bfloat16], 4))
def test_paddings_of_any_dtype_and_small_labels(dtype):
    logits = normal(4, 7, 5)
    expected = ops.ctc_loss(logits, PADDINGS, LABELS, LABEL_PADDINGS)
    paddings = PADDINGS.astype(dtype), LABELS.astype(np.uint8)
    got = ops.ctc_loss(logits, *paddings, LABEL_PADDINGS.astype(dtype))
    assert_near(got, expected, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logits": normal(7, 5)}, ["(batch, time, classes)", "(7, 5)"]),
        ({"labels": LABELS * 1.0}, ["integers", "float64"]),
        ({"labels": LABELS[0]}, ["(4, n)", "(3,)"]),
        ({"logit_paddings": PADDINGS.T}, ["(4, 7)", "(7, 4)"]),
        ({"label_paddings": LABEL_PADDINGS[:, 1:]}, ["(4, 3)", "(4, 2)"]),
        ({"blank_id": 5}, ["5 classes", "got 5"]),
        ({"blank_id": -1}, ["5 classes", "got -1"]),
    ],
)
def test_errors_say_what_was_given_and_what_is_needed(change, words):
    given = {
        "logits": normal(4, 7, 5),
        "logit_paddings": PADDINGS,
        "labels": LABELS,
        "label_paddings": LABEL_PADDINGS,
    }
    with refused((ValueError, TypeError), words):
        functools.partial(ops.ctc_loss, **given | change)()
