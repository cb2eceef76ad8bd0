"""The numerical witness: slopes, and estimates of their own errors that hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcnn.gradients._numeric import directional


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def slopes(f, *primals, **options):
    """Along a direction of ones."""
    primals = tuple(np.asarray(x, np.float64) for x in primals)
    return directional(f, primals, tuple(map(np.ones_like, primals)), **options)


def sides(s):
    return {
        "central": (s.central, s.central_error),
        "left": (s.left, s.left_error),
        "right": (s.right, s.right_error),
    }


# f, its derivative, and the points
EVERYWHERE = (0.0, 1e-6, 1e-3, 0.3, -1.0, 7.0)
POSITIVE = (1e-6, 1e-3, 0.3, 1.0, 30.0, 1e3, 1e6)
KNOWN = {
    "sin": (jnp.sin, np.cos, (*EVERYWHERE, 30.0, 1e3, 1e6)),
    "cos": (jnp.cos, lambda x: -np.sin(x), (*EVERYWHERE, 30.0, 1e3, 1e6)),
    "exp": (jnp.exp, np.exp, (*EVERYWHERE, -30.0, 30.0)),
    "tanh": (jnp.tanh, lambda x: 1 / np.cosh(x) ** 2, EVERYWHERE),
    "arctan": (jnp.arctan, lambda x: 1 / (1 + x * x), (*EVERYWHERE, 1e3)),
    "cubic": (lambda x: x**3, lambda x: 3 * x * x, (*EVERYWHERE, 1e3, 1e6)),
    "linear": (lambda x: 3 * x, lambda x: 3.0, (*EVERYWHERE, 1e3, 1e6)),
    "constant": (lambda x: 0 * x + 4, lambda x: 0.0, EVERYWHERE),
    "log": (jnp.log, lambda x: 1 / x, POSITIVE),
    "log1p": (jnp.log1p, lambda x: 1 / (1 + x), (0.0, *POSITIVE)),
    "sqrt": (jnp.sqrt, lambda x: 0.5 / np.sqrt(x), POSITIVE),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, POSITIVE),
    "power": (lambda x: x**2.5, lambda x: 2.5 * x**1.5, POSITIVE),
    "x log x": (lambda x: x * jnp.log(x), lambda x: 1 + np.log(x), POSITIVE),
    "logistic": (jax.nn.sigmoid, lambda x: 1 / (2 + 2 * np.cosh(x)), EVERYWHERE),
    "softplus": (jax.nn.softplus, lambda x: 1 / (1 + np.exp(-x)), EVERYWHERE),
    "bump": (
        lambda x: jnp.exp(-x * x),
        lambda x: -2 * x * np.exp(-x * x),
        EVERYWHERE,
    ),
    "fast": (lambda x: jnp.sin(1e3 * x), lambda x: 1e3 * np.cos(1e3 * x), EVERYWHERE),
    "1e30": (lambda x: 1e30 * jnp.sin(x), lambda x: 1e30 * np.cos(x), EVERYWHERE),
    "1e-30": (lambda x: 1e-30 * jnp.sin(x), lambda x: 1e-30 * np.cos(x), EVERYWHERE),
    "1e300": (lambda x: 1e300 * jnp.sin(x), lambda x: 1e300 * np.cos(x), EVERYWHERE),
    "offset": (lambda x: 1e6 + jnp.sin(x), np.cos, EVERYWHERE),
    "kinked": (lambda x: jnp.abs(x - 0.3 - 1e-3) + x * x, None, (0.3,)),
}


def known_slope(name, x):
    derivative = KNOWN[name][1]
    return 2 * x - 1 if derivative is None else float(derivative(x))


@pytest.mark.parametrize("name", KNOWN)
def test_the_true_error_is_within_ten_estimates(name):
    f, _, points = KNOWN[name]
    for x in points:
        result, true = slopes(f, x), known_slope(name, x)
        for side, (value, error) in sides(result).items():
            # rounding of the known derivative itself
            allowed = 10 * error + 4e-16 * abs(true)
            assert abs(value - true) <= allowed, (x, side, value, true, error)
        assert not result.kink, x
        assert 7 <= result.evaluations <= 41


ACCURATE = sorted(set(KNOWN) - {"offset", "tanh", "arctan", "constant"})


@pytest.mark.parametrize("name", ACCURATE)
def test_both_the_value_and_its_estimate_are_accurate(name):
    for x in KNOWN[name][2]:
        true = known_slope(name, x)
        # Where a slope is nothing beside its value's rounding, no digits are left.
        flat = abs(true) < 1e-2 * float(np.abs(KNOWN[name][0](x)))
        if true and abs(x) <= 30 and not flat:
            result = slopes(KNOWN[name][0], x)
            assert abs(result.central - true) <= 1e-9 * abs(true), x
            assert result.central_error <= 1e-7 * abs(true), x
            for value in (result.left, result.right):
                assert abs(value - true) <= 1e-7 * abs(true), x


def test_a_linear_function_is_exact():
    result = slopes(lambda x: -7.3 * x, [0.1, 2.0, 30.0])
    for value, error in sides(result).values():
        assert value == pytest.approx(-21.9, rel=1e-13)
        assert error < 1e-11
    assert result.evaluations == 7


KINKS = {
    "abs": (jnp.abs, 0.0, -1.0, 1.0),
    "relu": (jax.nn.relu, 0.0, 0.0, 1.0),
    "max": (lambda x: jnp.maximum(x, 2 * x - 3), 3.0, 1.0, 2.0),
    "clip": (lambda x: jnp.clip(x, -1, 1), 1.0, 1.0, 0.0),
    "curved": (lambda x: jax.nn.relu(x) * jnp.exp(x) + jnp.sin(x), 0.0, 1.0, 2.0),
    "leaky": (lambda x: 1e3 * jax.nn.leaky_relu(x, 0.99), 0.0, 990.0, 1000.0),
    "small": (lambda x: 1e-30 * jnp.abs(x), 0.0, -1e-30, 1e-30),
}


@pytest.mark.parametrize("name", KINKS)
def test_a_kink_has_two_slopes(name):
    f, x, left, right = KINKS[name]
    result = slopes(f, x)
    assert result.kink
    assert result.left == pytest.approx(left, rel=1e-9)
    assert result.right == pytest.approx(right, rel=1e-9)
    assert result.central == pytest.approx((left + right) / 2, rel=1e-6)


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("offset", [-1e-3, 1e-3])
def test_a_thousandth_from_a_kink_there_is_one(name, offset):
    f, x, *jump = KINKS[name]
    result = slopes(f, x + offset) if x else slopes(lambda y: f(y - 1), 1 + offset)
    true = float(jax.grad(f)(x + offset))
    for side, (value, error) in sides(result).items():
        assert abs(value - true) <= 10 * error + 1e-8 * abs(true), side
        assert error <= 1e-6 * np.abs(jump).max(), side
    assert not result.kink


def test_many_kinks_on_the_way_do_not_matter():
    places = np.linspace(-1.5, 1.4321, 30)
    result = slopes(lambda x: jnp.abs(x - places).sum(), 1.0)
    true = float(np.sign(1.0 - places).sum())
    assert result.central == pytest.approx(true, rel=1e-9)
    assert not result.kink


def test_a_jump_has_an_error_like_its_slope():
    result = slopes(jnp.floor, 2.0)
    assert result.left_error > 0.5 * abs(result.left) > 1
    assert result.central_error > 0.5 * abs(result.central) > 1
    assert result.right == 0
    assert result.right_error < 1e-12
    assert not result.kink
    assert slopes(jnp.floor, 2.5).central == 0


def test_an_infinite_slope_has_an_error_like_it():
    result = slopes(jnp.sqrt, 0.0)
    assert result.right_error > 0.5 * result.right > 1
    assert np.isnan([result.left, result.central]).all()
    assert np.isinf([result.left_error, result.central_error]).all()


def test_outside_of_the_domain_one_side_is_enough():
    result = slopes(lambda x: jnp.log(1 - x) * (1 - x) ** 2 + jnp.sqrt(x) * x**2, 0.0)
    assert np.isnan(result.left)
    assert np.isinf(result.left_error)
    assert abs(result.right + 1) < 10 * result.right_error < 1e-3


def test_steps_that_leave_the_domain_do_not_count():
    result = slopes(jnp.log, [1e-3, 5.0])
    for value, error in sides(result).values():
        assert abs(value - 1000.2) < 10 * error < 1


def test_no_value_is_no_derivative():
    result = slopes(jnp.log, 0.0)
    assert all(np.isnan(v) and np.isinf(e) for v, e in sides(result).values())
    result = slopes(lambda x: jnp.sin(x) / x, 0.0)
    assert np.isnan(result.central)


def test_weights_pytrees_and_integers():
    def f(tree, count):
        return {"y": count * tree["a"] ** 2, "n": count}, jnp.sin(tree["b"]).sum()

    tree = {"a": np.arange(3.0), "b": np.array([[0.5]])}
    direction = {"a": np.array([1.0, -1, 2]), "b": np.array([[3.0]])}
    weights = {"y": np.array([1.0, 10, 100]), "n": 0}, np.float64(2.0)
    result = directional(f, (tree, 4), (direction, None), weights=weights)
    true = 4 * (0 - 10 * 2 + 100 * 2 * 4) + 2 * 3 * np.cos(0.5)
    assert result.central == pytest.approx(true, rel=1e-11)
    assert directional(f, (tree, 4), (direction, None)).central == pytest.approx(
        4 * (0 - 2 + 8) + 3 * np.cos(0.5), rel=1e-11
    )


def test_a_weight_of_zero_hides_an_infinity():
    weights = np.array([0.0, 1.0])
    result = slopes(lambda x: jnp.stack([1 / (0 * x), x]), 2.0, weights=weights)
    assert result.central == pytest.approx(1, rel=1e-12)


def test_large_outputs_do_not_drown_small_ones():
    def f(x):
        return jnp.stack([1e12 + 0 * x, jnp.sin(x)])

    # added up first, nothing of the sine would be left after its fourth digit
    assert slopes(f, 1.0).central == pytest.approx(np.cos(1.0), rel=1e-7)


def test_the_function_is_compiled_once():
    traces = []

    def f(x):
        traces.append(x)
        return jnp.exp(x)

    first, second = slopes(f, 0.3), slopes(f, -0.2)
    assert len(traces) == 1
    assert first.central != second.central


def test_nothing_to_move_is_a_slope_of_zero():
    assert slopes(jnp.sin, np.zeros((0, 3))).central == 0
    still = directional(jnp.sin, (np.ones(3),), (np.zeros(3),))
    assert (still.central, still.kink) == (0, False)


def test_float32_is_refused():
    with pytest.raises(TypeError, match=r"must be float64, got float32"):
        directional(jnp.sin, (np.ones(3, np.float32),), (np.ones(3, np.float32),))


def test_differences_that_agree_far_apart_are_not_believed():
    # a bounded function's are all near 0 when its period is far below the steps
    result = slopes(lambda x: jnp.sin(3e5 * x), 1.0)
    for value, error in sides(result).values():
        assert abs(value - 3e5 * np.cos(3e5)) <= 10 * error
