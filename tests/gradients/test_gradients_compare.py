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
    assert verdicts == {"x": "OK", "weight": "RULE WRONG"}
    (failure,) = report.failures
    np.testing.assert_allclose(failure.relative_error, 1e-3, rtol=0.01)
    np.testing.assert_allclose(failure.manual / failure.automatic, 1.001, rtol=1e-4)


def test_assert_ok_raises_with_the_table_of_what_failed():
    f = lambda args: loss_of(sine_rule(1.001))(*args)  # noqa: E731
    report = fn.compare_gradients(f, (jnp.ones(3), 2.0))
    with pytest.raises(AssertionError, match=r"RULE WRONG") as caught:
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
    assert [row.verdict for row in both.rows] == ["RULE WRONG", "OK"]
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


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (fn.relu, r"relu gave float32\[2\]"),
        (lambda x: 3, r"gave int32\[\]"),
        (lambda x: {"loss": x.sum()}, "gave a dict"),
    ],
)
def test_an_output_that_is_no_scalar_is_named(f, said):
    with pytest.raises(TypeError, match=f"scalar.*{said}"):
        fn.compare_gradients(f, jnp.ones(2))


def test_an_argument_that_is_no_float_is_named():
    with pytest.raises(TypeError, match="argument 0 is int32"):
        fn.compare_gradients(lambda x: x.sum() * 1.0, jnp.arange(3))
    with pytest.raises(TypeError, match=r"argument 1, leaf a\.0, is str"):
        fn.compare_gradients(lambda x, _: x, 1.0, {"a": ["text"]}, argnums=1)


@pytest.mark.parametrize(
    ("argnums", "error"), [(2, ValueError), (-3, ValueError), ("x", TypeError)]
)
def test_argnums_that_name_no_argument_are_refused(argnums, error):
    with pytest.raises(error, match=f"argnums.*{argnums}"):
        fn.compare_gradients(lambda x, y: x * y, 1.0, 2.0, argnums=argnums)


def only_row(f, *args, **options):
    (row,) = fn.compare_gradients(f, *args, **options).rows
    return row


def rule_with_slope(reference, slope):
    """A rule of one array, elementwise, whose derivative is `slope`."""

    def forward(x):
        return reference(x), x

    def backward(x, g):
        return (g * slope(x),)

    return fn.rule(reference, forward, backward, cases=no_cases)


def positive(x):
    return jnp.maximum(x, 0)


def test_the_slope_is_that_of_the_function():
    x = jnp.array([0.3, -1.2, 2.0])
    row = only_row(lambda x: fn.tanh(x).sum(), x)
    wide = np.asarray(x, np.float64)
    direction = np.random.default_rng(0).standard_normal(3)
    wanted = ((1 - np.tanh(wide) ** 2) * direction).sum()
    np.testing.assert_allclose(row.slopes.central, wanted, rtol=1e-10)
    np.testing.assert_allclose(row.slope_by_rules, wanted, rtol=1e-5)
    np.testing.assert_allclose(row.slope_automatic, wanted, rtol=1e-5)
    assert row.direction == "random"
    assert row.numerical_slope.startswith(f"{wanted:.6g} ± ")


def test_the_table_shows_the_slopes_only_where_they_were_taken():
    f, x = lambda x: fn.tanh(x).sum(), jnp.ones(3)
    assert "numerical slope" in str(fn.compare_gradients(f, x))
    report = fn.compare_gradients(f, x, numerical=False)
    assert "slope" not in str(report)
    assert report.rows[0].slopes is None


def test_without_slopes_a_difference_is_different():
    f = lambda w: loss_of(sine_rule(1.001))(jnp.ones(3), w)  # noqa: E731
    assert only_row(f, 2.0, numerical=False).verdict == "DIFFERENT"


def test_one_wrong_entry_of_many_is_found_by_the_slope_along_it():
    factors = jnp.ones(4000).at[1234].set(1.01)
    wrong = rule_with_slope(jnp.sin, lambda x: factors * jnp.cos(x))
    draw = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, 4000), jnp.float32)
    row = only_row(lambda x: wrong(x).sum(), draw)
    assert row.verdict == "RULE WRONG"
    assert row.direction == "entry [1234]"


def test_the_automatic_gradient_may_be_the_wrong_one():
    def cube_of_norm(x):
        return jnp.sqrt((x * x).sum()) ** 3

    rule = rule_with_slope(cube_of_norm, lambda x: 3 * x * jnp.sqrt((x * x).sum()))
    x = {"a": jnp.zeros(3), "b": jnp.ones(2)}
    for others in (0.0, 1.0):
        f = lambda x: rule(x["a"]) + others * fn.tanh(x["b"]).sum()  # noqa: E731
        report = fn.compare_gradients(f, x)
        assert [row.verdict for row in report.rows] == ["AUTO WRONG", "OK"]
        assert report.ok


@pytest.mark.parametrize("wide", [True, False])
def test_both_gradients_may_be_wrong(wide):
    def stopped(x):
        return x * jax.lax.stop_gradient(x)

    rule = rule_with_slope(stopped, lambda x: x)
    with jax.enable_x64(wide):
        report = fn.compare_gradients(lambda x: rule(x).sum(), jnp.array([0.3, -1.2]))
    assert [row.verdict for row in report.rows] == ["BOTH WRONG"]
    assert not report.ok
    assert "stop_gradient" in str(report)


@pytest.mark.parametrize(
    ("slope", "verdict", "ok"),
    [(0.0, "KINK", True), (1.0, "KINK", True), (5.0, "KINK OUTSIDE", False)],
)
def test_at_a_kink_the_one_sided_slopes_decide(slope, verdict, ok):
    rule = rule_with_slope(
        positive, lambda x: jnp.where(x == 0, slope, jnp.where(x > 0, 1.0, 0.0))
    )
    weights = jnp.array([1.0, 2.0, -3.0])
    report = fn.compare_gradients(lambda x: (rule(x) * weights).sum(), jnp.zeros(3))
    (row,) = report.rows
    assert (row.verdict, report.ok) == (verdict, ok)
    assert row.numerical_slope == "0 below, -3 above"


def test_a_convention_of_both_is_no_mistake():
    # The mean of the slopes of two kinks in a row is not that of the function.
    def leaky(x):
        return jnp.maximum(x, 0.1 * x)

    row = only_row(lambda x: leaky(-leaky(x)).sum(), jnp.zeros(3))
    assert row.verdict == "KINK"


def test_a_mistake_at_a_kink_is_found_next_to_it():
    def bent(x):
        return jnp.where(x > 0, 3 * x, x)

    wrong = rule_with_slope(bent, lambda x: 1.001 * jnp.where(x > 0, 3.0, 1.0))
    row = only_row(lambda x: wrong(x).sum(), jnp.zeros(3))
    assert row.verdict == "RULE WRONG"
    assert row.direction.endswith("nearby")


@pytest.mark.parametrize(("base", "verdict"), [(1.5, "OK"), (1.6, "RULE WRONG")])
def test_without_an_automatic_gradient_the_slope_alone_decides(base, verdict):
    def grown(x):
        step = lambda c: (c[0] + 1, c[1] * 1.5)  # noqa: E731
        return jax.lax.while_loop(lambda c: c[0] < 3, step, (0, x))[1]

    rule = rule_with_slope(grown, lambda x: base**3)
    report = fn.compare_gradients(lambda x: rule(x).sum(), jnp.ones(2))
    assert report.rows[0].verdict == verdict
    assert "no automatic gradient: Reverse-mode" in str(report)


def from_host(x):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(np.sin, shape, x)


def test_where_no_witness_is_left_nothing_is_testable():
    rule = rule_with_slope(from_host, jnp.cos)
    report = fn.compare_gradients(lambda x: rule(x).sum(), jnp.ones(2))
    assert [row.verdict for row in report.rows] == ["NOT TESTABLE"]
    assert "`pure_callback` has no exact meaning" in str(report)


def test_a_program_that_cannot_be_lifted_says_so_and_is_judged_without():
    kept = jax.lax.stop_gradient
    f = lambda x: fn.tanh(x).sum() + kept(from_host(kept(x))).sum()  # noqa: E731
    report = fn.compare_gradients(f, jnp.ones(2))
    assert [row.verdict for row in report.rows] == ["OK"]
    assert report.rows[0].numerical_slope == "none (see below)"
    assert "`pure_callback`" in report.notes[0]


def test_after_a_while_no_slopes_are_begun(monkeypatch):
    monkeypatch.setattr("funcnn.gradients._compare._SECONDS", -1.0)
    report = fn.compare_gradients(lambda p: p[0] * p[1], (2.0, 3.0))
    assert [row.verdict for row in report.rows] == ["OK", "OK"]
    assert report.notes == ("no slopes of 2 of 2 leaves: -1 seconds were over",)


def test_what_is_no_array_is_kept():
    f = lambda x, mode: x if mode == "once" else 2 * x  # noqa: E731
    assert only_row(f, 3.0, "twice").manual == 2


def test_an_argument_without_leaves_has_no_rows():
    report = fn.compare_gradients(lambda params: 1.0, ())
    assert report.rows == ()
    assert "no leaves" in str(report)


def test_the_arguments_are_left_alone():
    x = jnp.ones(3)
    fn.compare_gradients(lambda x: fn.relu(x).sum(), x)
    chex.assert_trees_all_equal(x, jnp.ones(3))


def test_errors_are_counted_in_units_in_the_last_place_of_the_largest_entry():
    @jax.custom_vjp
    def scaled(x):
        return 1.5 * x

    off = np.float32(1.5 + 3 * 2.0**-23)  # between 1 and 2 a unit is 2^-23
    scaled.defvjp(lambda x: (scaled(x), None), lambda _, g: (g * off,))
    (row,) = fn.compare_gradients(lambda x: scaled(x).sum(), jnp.ones(2)).rows
    assert row.ulp_error == 3
