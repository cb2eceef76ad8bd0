"""`compare_gradients`: right rules pass, wrong ones are found and named."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradient_examples import no_cases, sine_rule

import funcnn as fn

MODEL = fn.Chain(fn.Dense(4), fn.BatchNorm(), fn.relu, fn.Dense(2))


def wide_arrays(*values):
    return tuple(jnp.asarray(v, jnp.result_type(float)) for v in values)


def loss_of(op):
    return lambda x, weight: (op(x, weight) ** 2).sum()


@pytest.mark.parametrize("wide", [True, False])
def test_a_right_rule_is_ok(wide):
    with jax.enable_x64(wide):
        x, weight = wide_arrays([0.3, -1.2, 2.0], 1.5)
        report = fn.compare_gradients(loss_of(sine_rule()), x, weight, argnums=(0, 1))
        assert report.ok
        assert report.assert_ok() is None
        assert [row.verdict for row in report.rows] == ["OK", "OK"]
        assert {row.dtype for row in report.rows} == {"float64" if wide else "float32"}


@pytest.mark.parametrize("wide", [True, False])
def test_a_rule_wrong_by_a_thousandth_in_one_argument_is_found(wide):
    with jax.enable_x64(wide):
        arguments = dict(zip(("x", "weight"), wide_arrays([0.3, -1.2, 2.0], 1.5)))
        f = lambda args: loss_of(sine_rule(1.001))(**args)  # noqa: E731
        report = fn.compare_gradients(f, arguments)
    assert not report.ok
    verdicts = {row.path: row.verdict for row in report.rows}
    assert verdicts == {"x": "OK", "weight": "DIFFERENT"}
    (failure,) = report.failures
    np.testing.assert_allclose(failure.relative_error, 1e-3, rtol=0.01)
    np.testing.assert_allclose(failure.manual / failure.automatic, 1.001, rtol=1e-4)


def test_assert_ok_raises_with_the_table_of_what_failed():
    f = lambda args: loss_of(sine_rule(1.001))(*args)  # noqa: E731
    report = fn.compare_gradients(f, (jnp.ones(3), 2.0))
    with pytest.raises(AssertionError, match=r"DIFFERENT") as caught:
        report.assert_ok()
    table = str(caught.value)
    assert "relative error" in table
    assert "0.001" in table
    assert "OK" not in table


@pytest.mark.parametrize("wide", [True, False])
def test_a_leaf_whose_gradient_is_truly_zero_raises_no_false_alarm(wide):
    # The bias before a batch normalization is taken out again with the mean.
    with jax.enable_x64(wide):
        draw = np.random.default_rng(0)
        (x,) = wide_arrays(draw.normal(size=(16, 3)))
        params, state = MODEL.init(jax.random.key(0), x)
        labels = jnp.arange(16) % 2

        def loss(params):
            logits, _ = MODEL.apply(params, state, x, train=True)
            return fn.softmax_cross_entropy(logits, labels).mean()

        report = fn.compare_gradients(loss, params)
    assert report.ok, str(report)
    norms = {row.path: row.automatic for row in report.rows}
    assert norms["0.bias"] < 1e-5 < norms["0.kernel"]


def test_rows_come_in_the_order_of_the_leaves_with_their_paths():
    params = {"b": {"kernel": jnp.ones((2, 3))}, "a": (jnp.ones(()), jnp.ones(4))}
    total = lambda p: sum(x.sum() for x in jax.tree.leaves(p))  # noqa: E731
    report = fn.compare_gradients(total, params)
    assert [row.path for row in report.rows] == ["a.0", "a.1", "b.kernel"]
    assert [row.shape for row in report.rows] == [(), (4,), (2, 3)]
    assert [row.manual for row in report.rows] == [1, 2, pytest.approx(6**0.5)]


def test_argnums_chooses_the_arguments():
    f, args = loss_of(sine_rule(1.001)), (jnp.ones(3), 2.0)
    assert fn.compare_gradients(f, *args).ok
    assert not fn.compare_gradients(f, *args, argnums=1).ok
    both = fn.compare_gradients(f, *args, argnums=(1, 0))
    assert [row.verdict for row in both.rows] == ["DIFFERENT", "OK"]
    assert [row.path for row in both.rows] == ["0", "1"]


def test_a_loss_with_further_outputs():
    def f(x):
        return (fn.tanh(x) ** 2).sum(), {"metrics": (jnp.zeros(3), "text")}

    assert fn.compare_gradients(f, jnp.ones(2)).ok


def test_a_nan_is_different():
    def nothing(x):
        return x

    broken = fn.rule(
        nothing, lambda x: (x, ()), lambda s, g: (g * jnp.nan,), cases=no_cases
    )
    report = fn.compare_gradients(lambda x: broken(x).sum(), jnp.ones(2))
    assert not report.ok


def test_a_gradient_that_is_zero_by_mistake_is_different():
    def kept(x):
        return x

    lost = fn.rule(kept, lambda x: (x, ()), lambda s, g: (None,), cases=no_cases)
    assert not fn.compare_gradients(lambda x: lost(x).sum(), jnp.ones(2)).ok


def test_a_wrong_gradient_where_the_true_one_is_zero_is_different():
    def constant(x):
        return 0 * x

    wrong = fn.rule(constant, lambda x: (0 * x, ()), lambda s, g: (g,), cases=no_cases)
    assert not fn.compare_gradients(lambda x: wrong(x).sum(), jnp.ones(2)).ok


def test_empty_leaves_are_ok():
    assert fn.compare_gradients(lambda x: fn.relu(x).sum(), jnp.ones((0, 3))).ok


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_has_its_own_tolerance(dtype):
    x = jnp.linspace(-2, 2, 9, dtype=dtype)
    right = fn.compare_gradients(lambda x: fn.gelu(x).sum(), x)
    assert right.ok, str(right)
    assert right.rows[0].dtype == dtype
    wrong = sine_rule(1.2)
    assert not fn.compare_gradients(
        lambda w: wrong(x[4:], w).astype(jnp.float32).sum(), x[-1]
    ).ok


def test_an_output_that_is_no_scalar_is_refused():
    with pytest.raises(TypeError, match="scalar"):
        fn.compare_gradients(fn.relu, jnp.ones(2))


def test_an_integer_argument_is_refused():
    with pytest.raises(TypeError, match="int32"):
        fn.compare_gradients(lambda x: x.sum() * 1.0, jnp.arange(3))


def test_the_arguments_are_left_alone():
    x = jnp.ones(3)
    fn.compare_gradients(lambda x: fn.relu(x).sum(), x)
    chex.assert_trees_all_equal(x, jnp.ones(3))
