"""What the docstrings of the functions of one number promise beyond gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import refused

import funcnn as fn
from funcnn.ops._pointwise._scaling import down, half_of_tiny, up

LEAST = np.float32(1e-45)  # the least subnormal number


def both(f, x, dtype=np.float32):
    """The values and slopes at the entries of x, in float64, by one program."""
    x = np.asarray(x, dtype)

    def run(x):
        y, pull = jax.vjp(f, x)
        return y, pull(jnp.ones_like(y))[0]

    return [np.asarray(a).astype(np.float64) for a in jax.jit(run)(x)]


# Numbers that XLA takes for 0.


def test_subnormal_numbers_are_scaled_exactly():
    x = np.array([1, -1, 5, 100, -8388607], np.float64) * float(LEAST)
    for f, given, expected in [
        (up, x, x * 2.0**64),
        (down, x * 2.0**64, x),
        (half_of_tiny, 2 * x, x),
    ]:
        got = np.asarray(jax.jit(f)(given.astype(np.float32)))
        assert got.astype(np.float64).tolist() == expected.tolist()


@pytest.mark.parametrize(("f", "factor"), [(up, 2.0**64), (down, 2.0**-64)])
def test_scaling_is_linear_and_its_own_transpose(f, factor):
    x = np.array([1.5, -3e-38, 7.25, 2e10], np.float32)
    expected = (x.astype(np.float64) * factor).astype(np.float32)
    _, tangent = jax.jvp(f, (jnp.ones(4, jnp.float32),), (x,))
    (cotangent,) = jax.linear_transpose(f, x)(x)
    for got in (f(x), tangent, cotangent, jax.vmap(f)(x)):
        assert np.asarray(got).tolist() == expected.tolist()


def test_the_half_of_a_tiny_number_has_the_tangent_of_any():
    x, t = np.float32(1e-39), np.float32(3)
    assert jax.jvp(half_of_tiny, (x,), (t,))[1] == 1.5
    assert jax.grad(half_of_tiny)(x) == 0.5


def test_tails_do_not_end_at_the_least_normal_number():
    x = -100.0
    expected = np.exp(np.float64(x))
    for f in (fn.sigmoid, fn.softplus, fn.elu, fn.celu):
        value, slope = both(f, [x])
        got = slope if f in (fn.elu, fn.celu) else value
        assert got[0] == pytest.approx(expected, abs=float(LEAST))
    value, slope = both(fn.silu, [x])
    assert value[0] == pytest.approx(x * expected, rel=1e-3)
    assert slope[0] == pytest.approx((1 + x) * expected, rel=1e-3)


def test_subnormal_inputs_are_not_zero():
    x = [LEAST, -LEAST, 1e-40]
    for f in (fn.relu, fn.relu6):
        value, slope = both(f, x)
        assert value.tolist() == [float(LEAST), 0, np.float32(1e-40)]
        assert slope.tolist() == [1, 0, 1]
    for f in (fn.tanh, fn.sin, fn.hard_tanh, fn.celu, fn.soft_sign):
        assert both(f, x)[0].tolist() == np.asarray(x, np.float32).tolist()
    assert both(fn.relu_squared, x)[1].tolist() == [2 * float(LEAST), 0, 2 * x_40()]
    assert both(fn.log_cosh, x)[1].tolist() == np.asarray(x, np.float32).tolist()


def x_40():
    return float(np.float32(1e-40))


def test_a_small_cotangent_meets_the_slope_before_it_is_rounded():
    """The slope alone is subnormal; a large cotangent makes it normal again."""
    pull = jax.jit(lambda x, g: jax.vjp(fn.sigmoid, x)[1](g)[0])
    got = float(pull(np.float32(-100), np.float32(2.0**100)))
    assert got == pytest.approx(np.exp(-100.0) * 2.0**100, rel=1e-5)


# Special values.

WITH_LIMITS = {
    "relu": (fn.relu, (0, np.inf), (0, 1)),
    "relu_squared": (fn.relu_squared, (0, np.inf), (0, np.inf)),
    "hard_silu": (fn.hard_silu, (0, np.inf), (0, 1)),
    "mish": (fn.mish, (0, np.inf), (0, 1)),
    "selu": (fn.selu, (-1.7580993, np.inf), (0, 1.050701)),
    "soft_sign": (fn.soft_sign, (-1, 1), (0, 0)),
    "squareplus": (fn.squareplus, (0, np.inf), (0, 1)),
    "log_cosh": (fn.log_cosh, (np.inf, np.inf), (-1, 1)),
    "sinc": (fn.sinc, (0, 0), (0, 0)),
    "softplus": (lambda x: fn.softplus(x, beta=3), (0, np.inf), (0, 1)),
}


@pytest.mark.parametrize("name", WITH_LIMITS)
def test_limits_at_infinity(name):
    f, values, slopes = WITH_LIMITS[name]
    value, slope = both(f, [-np.inf, np.inf])
    np.testing.assert_allclose(value, values, rtol=1e-6, atol=1e-45)
    np.testing.assert_allclose(slope, slopes, rtol=1e-6, atol=1e-45)


@pytest.mark.parametrize(
    "f", [fn.relu, fn.leaky_relu, fn.relu6, fn.hard_tanh, fn.hard_silu, fn.elu, fn.mish]
)
def test_nan_stays_nan(f):
    assert np.isnan(both(f, [np.nan])[0]).all()


def test_kinks():
    assert both(fn.relu6, [0.0, 6.0])[1].tolist() == [0, 0]
    assert both(fn.hard_tanh, [-1.0, 1.0])[1].tolist() == [1, 1]
    assert both(fn.hard_sigmoid, [-3.0, 3.0])[1].tolist() == [0, 0]
    assert both(fn.hard_silu, [-3.0, 3.0])[1].tolist() == [0, 1]
    assert both(lambda x: fn.elu(x, 0.5), [0.0])[1].tolist() == [0.5]


def test_xlogx_at_0_has_a_finite_slope_so_that_a_mask_can_remove_it():
    value, slope = both(fn.xlogx, [0.0, LEAST])
    assert value[0] == 0
    assert slope[0] == slope[1] == pytest.approx(-149 * np.log(2) + 1, rel=1e-6)
    assert np.isnan(both(fn.xlogx, [-1.0])[0]).all()


def test_log1mexp_outside_of_its_domain():
    value, slope = both(fn.log1mexp, [0.0, -1.0])
    assert value[0] == -np.inf
    assert slope[0] == np.inf
    assert np.isnan([value[1], slope[1]]).all()


def test_sinc_is_0_at_integers():
    assert both(fn.sinc, [1.0, -2.0, 1e6, 16777216.0])[0].tolist() == [0, 0, 0, 0]


def test_softplus_with_beta_is_that_of_the_scaled_argument():
    x = np.linspace(-3, 3, 7)
    got = fn.softplus(jnp.asarray(x), beta=2.0)
    np.testing.assert_allclose(got, np.log1p(np.exp(2 * x)) / 2, rtol=1e-12)


# prelu and norm.


def test_a_slope_for_every_channel():
    x = jnp.array([[-1.0, -2.0], [3.0, -4.0]])
    y, pull = jax.vjp(fn.prelu, x, jnp.array([0.5, 0.25]))
    assert y.tolist() == [[-0.5, -0.5], [3, -1]]
    dx, dslope = pull(jnp.ones((2, 2)))
    assert dx.tolist() == [[0.5, 0.25], [1, 0.25]]
    assert dslope.tolist() == [-1, -6]
    empty = jax.vjp(fn.prelu, jnp.ones((0, 2)), jnp.ones(2))[1](jnp.ones((0, 2)))
    assert [c.shape for c in empty] == [(0, 2), (2,)]


@pytest.mark.parametrize("size", [1e-45, 1e-40, 1e-30, 1.0, 1e30])
def test_norm_neither_overflows_nor_vanishes(size):
    x = np.array([3, 4, 0], np.float32) * np.float32(size)
    y, dx = jax.jit(jax.value_and_grad(fn.norm))(x)
    true = np.linalg.norm(x.astype(np.float64))
    assert float(np.float64(y)) == pytest.approx(true, rel=1e-6, abs=1e-45)
    np.testing.assert_allclose(dx, x.astype(np.float64) / true, rtol=1e-6)


def test_norm_of_nothing_and_of_infinity():
    assert fn.norm(jnp.ones((2, 0))).tolist() == [0, 0]
    assert jax.grad(fn.norm)(jnp.zeros(3)).tolist() == [0, 0, 0]
    assert fn.norm(jnp.array([1.0, -jnp.inf])) == jnp.inf
    assert np.isnan(fn.norm(jnp.array([1.0, jnp.nan])))


@pytest.mark.parametrize(("axis", "keepdims"), [(0, True), (1, False), (-1, True)])
def test_norm_is_numpys(axis, keepdims):
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    got = fn.norm(jnp.asarray(x), axis=axis, keepdims=keepdims)
    expected = np.linalg.norm(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


# Gated units.


@pytest.mark.parametrize("axis", [0, -1])
def test_gated_units_are_values_times_gates(axis):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((4, 6)))
    a, b = jnp.split(x, 2, axis)
    pairs = [
        (fn.glu(x, axis), jax.nn.glu(x, axis)),
        (fn.swiglu(x, axis), a * jax.nn.silu(b)),
        (fn.geglu(x, axis), a * jax.nn.gelu(b)),
        (fn.geglu(x, axis, approximate=False), a * jax.nn.gelu(b, approximate=False)),
    ]
    for got, expected in pairs:
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


# Bad input.


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fn.elu(jnp.ones(3), "steep"), (TypeError, ValueError), ["steep"]),
        (lambda: fn.celu(jnp.ones(3), 0), ValueError, ["celu", "alpha", "0"]),
        (lambda: fn.softplus(jnp.ones(3), beta=-1), ValueError, ["beta", "-1"]),
        (lambda: fn.squareplus(jnp.ones(3), np.inf), ValueError, ["b ", "inf"]),
        (lambda: fn.sin(jnp.arange(3)), fn.DtypeError, ["sin", "int"]),
        (
            lambda: fn.prelu(jnp.ones((2, 3)), jnp.ones(2)),
            fn.ShapeError,
            ["prelu", "(3,)", "(2,)"],
        ),
        (lambda: fn.norm(jnp.ones(3), axis=1), fn.ShapeError, ["norm", "axis 1"]),
        (lambda: fn.glu(jnp.ones((2, 3))), fn.ShapeError, ["glu", "(2, 3)", "even"]),
        (lambda: fn.swiglu(jnp.ones(4), 1), fn.ShapeError, ["swiglu", "axis 1"]),
    ],
)
def test_arguments_that_are_not_understood(call, error, words):
    with refused(error, words):
        call()
