"""What the ops' docstrings promise beyond their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from matrix import assert_near, cases, refused, together

import funcnn as fn
from funcnn import ops
from funcnn.ops._convolution import _chunks, _kernel_cotangent, _max_pool
from funcnn.ops._regularization._dropout import _dropout as dropout_rule


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def test_slopes_at_kinks():
    assert jax.grad(ops.relu)(0.0) == 0
    assert jax.grad(ops.leaky_relu)(0.0, 0.1) == pytest.approx(0.1)
    one_row = jnp.zeros((1, 4, 1))
    dx = jax.grad(lambda x: ops.max_pool(x, 4).sum())(one_row)
    assert dx.ravel().tolist() == [1, 0, 0, 0]  # of equal entries the first


def test_slopes_keep_their_digits_where_the_output_saturates():
    assert jax.grad(ops.tanh)(20.0) == pytest.approx(4 * np.exp(-40.0), rel=1e-12)
    assert jax.grad(ops.sigmoid)(40.0) == pytest.approx(np.exp(-40.0), rel=1e-12)
    slope = jax.grad(ops.sigmoid_cross_entropy)(40.0, jnp.float64(1))
    assert slope == pytest.approx(-np.exp(-40.0), rel=1e-12)


@pytest.mark.parametrize(
    "op", [ops.gelu, lambda x: ops.gelu(x, False), ops.silu, ops.softplus, ops.tanh]
)
@pytest.mark.parametrize("x", [1e30, -1e30, jnp.inf, -jnp.inf])
def test_pointwise_limits(op, x):
    value, slope = jax.value_and_grad(op)(jnp.float32(x))
    assert not np.isnan(value)
    assert slope in (0, 1)


def test_class_numbers_that_are_no_class_give_nan_and_a_gradient_of_nan():
    logits = normal(4, 3)
    labels = jnp.array([0, 3, -1, 2])
    loss, pull = jax.vjp(lambda x: ops.softmax_cross_entropy(x, labels), logits)
    assert np.isnan(loss).tolist() == [False, True, True, False]
    (dlogits,) = pull(jnp.ones(4))
    assert np.isnan(dlogits).all(-1).tolist() == [False, True, True, False]
    assert np.isfinite(dlogits[jnp.array([0, 3])]).all()


def test_class_numbers_agree_with_optax_and_take_any_integer_type():
    logits = normal(5, 4)
    labels = np.array([0, 3, 1, 1, 2])
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    for dtype in (np.uint8, np.int8, np.int32, np.uint32):
        assert_near(ops.softmax_cross_entropy(logits, labels.astype(dtype)), expected)


def test_a_class_of_logit_minus_infinity_cannot_occur():
    logits = jnp.array([[0.0, -jnp.inf, 1.0]])
    loss, dlogits = jax.value_and_grad(
        lambda x: ops.softmax_cross_entropy(x, jnp.array([0])).sum()
    )(logits)
    assert np.isfinite(loss)
    assert dlogits[0, 1] == 0


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
def test_binary_cross_entropy_is_finite_at_0_and_1(dtype):
    p = jnp.array([0, 0, 1, 1], dtype)
    y = jnp.array([0, 1, 0, 1], dtype)
    loss, pull = jax.vjp(ops.binary_cross_entropy, p, y)
    least = min(float(jnp.finfo(dtype).eps), 2**-10)
    worst = 1 - np.log(least)
    expected = np.array([0, worst, worst, 0])
    np.testing.assert_allclose(loss.astype(float), expected, rtol=0.01, atol=1e-12)
    dp, dy = pull(jnp.ones_like(p))
    expected = np.array([1, -1 / least, 1 / least, -1])
    np.testing.assert_allclose(dp.astype(float), expected, rtol=0.01)
    assert np.isfinite(dy.astype(float)).all()


def test_ids_out_of_range_give_nan_and_no_gradient():
    table = normal(3, 2)
    ids = jnp.array([0, 3, -1, 2])
    rows, pull = jax.vjp(lambda t: ops.embedding(t, ids), table)
    assert np.isnan(rows).all(-1).tolist() == [False, True, True, False]
    (dtable,) = pull(jnp.ones((4, 2)))
    assert dtable.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_small_integer_ids_reach_all_of_a_large_table():
    table = normal(300, 2)
    assert_near(ops.embedding(table, jnp.array([255], jnp.uint8)), table[255:256])
    rows = ops.embedding(table, jnp.array([-1, 5], jnp.int8))
    assert np.isnan(rows[0]).all()
    assert_near(rows[1], table[5])


def test_dropout_drops_the_share_and_keeps_the_mean():
    x = jnp.ones((200, 500), jnp.float32)
    for rate in (0.1, 0.75):
        y = ops.dropout(x, jax.random.key(3), rate)
        assert float((y == 0).mean()) == pytest.approx(rate, abs=0.01)
        assert float(y.mean()) == pytest.approx(1, abs=0.02)


def test_dropout_saves_nothing_of_the_size_of_its_input():
    _, saved = dropout_rule.forward(normal(50, 50), jax.random.key(0), 0.5, ())
    assert jax.tree.leaves(saved)[0].size == 1


def test_binary_affine_is_xnor_nets():
    x, w = normal(3, 4), normal(4, 2)
    scale = jnp.abs(w).mean()
    assert_near(ops.binary_affine(x, w), x @ (scale * jnp.sign(w)))
    wide = jnp.array([[2.0], [0.5], [-3.0], [-0.5]])
    dw = jax.grad(lambda w: ops.binary_affine(x, w).sum())(wide)[:, 0]
    signs, column = jnp.sign(wide)[:, 0], x.sum(0)
    share_of_mean = signs * (signs * column).mean()
    share_of_sign = 1.5 * column * jnp.array([0, 1, 0, 1])  # none beyond the clip
    assert_near(dw, share_of_mean + share_of_sign)


def test_statistics_are_float32_for_half_precision():
    x = (1000 + normal(64, 3)).astype(jnp.float16)
    ones = jnp.ones(3, jnp.float16)
    y, mean, var = ops.batch_norm(x, ones, ones)
    assert (y.dtype, mean.dtype, var.dtype) == (jnp.float16, jnp.float32, jnp.float32)
    np.testing.assert_allclose(mean, x.astype(jnp.float32).mean(0), rtol=1e-6)


def test_mixed_dtypes_promote_and_cotangents_go_back():
    x, kernel = normal(3, 4).astype(jnp.bfloat16), normal(4, 2).astype(jnp.float32)
    y, pull = jax.vjp(ops.affine, x, kernel)
    assert y.dtype == jnp.float32
    assert [c.dtype for c in pull(y)] == [jnp.bfloat16, jnp.float32]


# The branches of other platforms, on this one.


def test_the_kernels_cotangent_is_the_same_by_products_and_by_convolution():
    def both(x, g, *where):
        by_products = _kernel_cotangent.kernel_cotangent_by_products(x, g, *where)
        plain = _kernel_cotangent.kernel_cotangent_by_convolution(x, g, *where)
        return by_products, plain

    _check_both(both, cases("conv.conv"), first=3)


@pytest.mark.parametrize("images", [1, 2, 3, 5])
def test_the_kernels_cotangent_is_the_same_in_chunks_of_the_batch(images):
    def both(x, g, *where):
        shape = (*where[0].size, x.shape[-1] // where[1], g.shape[-1])

        def products(x, g):
            return _kernel_cotangent._patch_products(x, g, *where)

        chunked = _chunks.summed_over_chunks(products, shape, images, x, g)
        return chunked, products(x, g)

    known = [case for case in cases("conv.conv") if len(case.args[0]) > 1]
    assert any(len(case.args[0]) > 2 * images for case in known)
    _check_both(both, known, first=3)


def test_max_pools_cotangent_is_the_same_by_comparing_and_by_selecting():
    def both(x, g, where):
        selected = jax.vjp(lambda x: _max_pool._reference(x, where), x)[1](g)[0]
        return _max_pool._by_comparing(x, g, where), selected

    _check_both(both, cases("max_pool.max_pool"), first=1)


def _check_both(both, known, first):
    """Of x, a cotangent, and the options, which begin at argument `first`."""
    known = list(known)
    runs = [lambda x, g, c=case: both(x, g, *c.args[first:]) for case in known]
    inputs = [(case.args[0], case.cotangent()) for case in known]
    for case, pair in zip(known, together(runs, inputs), strict=True):
        assert_near(*pair, where=case.name)


def test_max_pool_gives_nan_its_gradient():
    x = normal(1, 4, 1).at[0, 1, 0].set(jnp.nan)
    y, pull = jax.vjp(lambda x: ops.max_pool(x, 2), x)
    assert np.isnan(y[0, 0, 0])
    assert not np.isnan(y[0, 1, 0])
    assert pull(jnp.ones_like(y))[0][0, 1, 0] == 1


# Bad input.

VECTOR = jnp.ones(3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.affine(normal(2, 5), normal(3, 4)), ["(3, 4)", "(2, 5)"]),
        (lambda: ops.affine(normal(2, 3), normal(3, 4), VECTOR), ["(4,)", "(3,)"]),
        (lambda: ops.affine(normal(2, 3), VECTOR), ["(n, m)", "(3,)"]),
        (lambda: ops.binary_affine(normal(2, 5), normal(3, 4)), ["(3, 4)", "(2, 5)"]),
        (lambda: ops.conv(normal(2, 5, 5, 3), normal(3, 3, 4, 2)), ["4 channels"]),
        (lambda: ops.conv(normal(2, 5, 3), normal(3, 3, 3, 2)), ["2", "(2, 5, 3)"]),
        (lambda: ops.conv(normal(2, 5, 3), normal(3, 3)), ["(3, 3)"]),
        (lambda: ops.conv(normal(2, 5, 4), normal(3, 2, 3), groups=2), ["groups", "3"]),
        (lambda: ops.conv(normal(2, 5, 3), normal(3, 3, 2), VECTOR), ["(2,)", "(3,)"]),
        (
            lambda: ops.conv(normal(2, 2, 3), normal(3, 3, 2), padding="VALID"),
            ["does not fit"],
        ),
        (lambda: ops.max_pool(normal(1, 2, 1), 3), ["does not fit"]),
        (lambda: ops.max_pool(normal(3, 4), 2), ["(3, 4)"]),
        (lambda: ops.layer_norm(normal(2, 3), jnp.ones(2), VECTOR), ["(2,)", "(3,)"]),
        (lambda: ops.batch_norm(normal(2, 3), jnp.ones(2), VECTOR), ["scale", "(2,)"]),
        (lambda: ops.batch_norm(VECTOR, VECTOR, VECTOR), ["(3,)"]),
        (lambda: ops.moments(VECTOR), ["(3,)"]),
        (lambda: ops.embedding(VECTOR, jnp.array(1)), ["(3,)"]),
        (
            lambda: ops.softmax_cross_entropy(normal(4, 3), jnp.zeros((4, 1), int)),
            ["(4, 3)", "(4, 1)"],
        ),
        (
            lambda: ops.softmax_cross_entropy(normal(4, 3), normal(3)),
            ["(4, 3)", "(3,)"],
        ),
        (
            lambda: ops.sigmoid_cross_entropy(normal(4, 1), normal(4)),
            ["(4, 1)", "(4,)"],
        ),
        (lambda: ops.binary_cross_entropy(normal(4, 1), normal(4)), ["(4, 1)", "(4,)"]),
        (lambda: ops.squared_error(normal(4, 1), normal(4)), ["(4, 1)", "(4,)"]),
    ],
)
def test_shapes_that_do_not_fit(call, words):
    with refused(fn.ShapeError, words):
        call()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.relu(jnp.arange(3)), TypeError, ["relu", "int"]),
        (lambda: ops.affine(normal(2, 3) + 0j, normal(3, 2)), TypeError, ["complex"]),
        (lambda: ops.embedding(normal(3, 2), VECTOR), TypeError, ["ids", "float"]),
        (lambda: ops.dropout(VECTOR, jax.random.key(0), 1.5), ValueError, ["1.5"]),
        (lambda: ops.dropout(VECTOR, jnp.ones(2), 0.5), TypeError, ["key"]),
        (
            lambda: ops.dropout(VECTOR, jax.random.split(jax.random.key(0)), 0.5),
            TypeError,
            ["one key"],
        ),
        (
            lambda: ops.conv(normal(1, 3, 1), normal(2, 1, 1), padding="FULL"),
            ValueError,
            ["FULL", "SAME"],
        ),
        (
            lambda: ops.conv(normal(1, 3, 1), normal(2, 1, 1), padding=[1]),
            ValueError,
            ["pairs"],
        ),
        (
            lambda: ops.conv(normal(1, 3, 1), normal(2, 1, 1), stride=0),
            ValueError,
            ["stride", "0"],
        ),
        (
            lambda: ops.avg_pool(normal(1, 4, 4, 1), (2, 2), stride=(1, 2, 3)),
            ValueError,
            ["stride"],
        ),
        (
            lambda: ops.conv(normal(1, 3, 1), normal(2, 1, 1), groups=1.5),
            ValueError,
            ["groups", "1.5"],
        ),
        (lambda: ops.leaky_relu(VECTOR, "steep"), (TypeError, ValueError), ["steep"]),
    ],
)
def test_arguments_that_are_not_understood(call, error, words):
    with refused(error, words):
        call()


def test_options_may_be_numpys_numbers():
    x = normal(1, 4, 4, 2)
    two = np.int64(2)
    assert_near(ops.max_pool(x, (two, two), stride=two), ops.max_pool(x, 2))
    kernel = normal(2, 2, 1, 2)
    assert_near(ops.conv(x, kernel, groups=two), ops.conv(x, kernel, groups=2))
