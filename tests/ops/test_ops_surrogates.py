"""Declared gradients: values, slopes at the ends, and against the papers' formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from matrix import assert_near, refused

import funcnn as fn
from funcnn import ops

X = jnp.array([-jnp.inf, -2.5, -1.0, -0.5, -0.2, 0.0, 0.5, 1.0, 1.5, jnp.inf])


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def slopes(f, x=X):
    """Of an elementwise function, at each entry."""
    y, pull = jax.vjp(f, x)
    return pull(jnp.ones_like(y))[0]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_steps_are_exact_in_value(dtype):
    x = X.astype(dtype)
    for got, expected in [
        (ops.round_ste(x), jnp.round(x)),
        (ops.sign_ste(x), jnp.sign(x)),
        (ops.clip_ste(x, -1, 0.5), jnp.clip(x, -1, 0.5)),
    ]:
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, expected)


def test_straight_through_slopes():
    np.testing.assert_array_equal(slopes(ops.round_ste), 1)
    np.testing.assert_array_equal(slopes(lambda x: ops.clip_ste(x, -1, 1)), 1)
    np.testing.assert_array_equal(slopes(ops.sign_ste), abs(X) <= 1)
    half = slopes(lambda x: ops.sign_ste(x, clip=0.5))
    np.testing.assert_array_equal(half, abs(X) <= 0.5)
    np.testing.assert_array_equal(slopes(lambda x: ops.sign_ste(x, clip=np.inf)), 1)


def test_steps_pass_nan_on():
    nan = jnp.array(jnp.nan)
    assert np.isnan(
        [ops.round_ste(nan), ops.sign_ste(nan), ops.clip_ste(nan, 0, 1)]
    ).all()


def test_steps_save_no_floats():
    x = normal(5, 5)
    assert fn.saved_bytes(ops.round_ste, x) == 0
    assert fn.saved_bytes(lambda x: ops.clip_ste(x, 0, 1), x) == 0
    assert fn.saved_bytes(ops.sign_ste, x) == 25


@pytest.mark.parametrize("factor", [0.5, 3, -1.0, jnp.float32(0.25), np.float64(2)])
def test_the_gradient_is_scaled_and_the_value_is_not(factor):
    for dtype in (jnp.bfloat16, jnp.float64):
        x = X.astype(dtype)
        y = ops.scale_gradient(x, factor)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, x)
        scaled = slopes(lambda x: ops.scale_gradient(x, factor), x)
        np.testing.assert_array_equal(scaled, float(factor))
        turned = slopes(lambda x: ops.reverse_gradient(x, factor), x)
        np.testing.assert_array_equal(turned, -float(factor))


def test_a_factor_may_be_traced_and_gets_no_gradient():
    loss = jax.jit(lambda x, f: (ops.scale_gradient(x, f) ** 2).sum())
    dx, df = jax.grad(loss, (0, 1))(jnp.array([1.0, 2.0]), 0.5)
    assert dx.tolist() == [1, 2]
    assert df == 0


def test_each_of_a_batch_of_factors_meets_its_own_gradient():
    factors, g = jnp.array([1.0, 10.0]), jnp.array([3.0, 5.0])
    batched = jax.vmap(lambda f, g, x: ops.scale_gradient(x, f) * g, (0, 0, None))
    assert jax.grad(lambda x: batched(factors, g, x).sum())(1.0) == 3 + 50


def test_a_discriminator_is_trained_and_fooled_by_one_loss():
    """Descent on one loss goes down for the head and up for the features."""
    w, v = jnp.float64(0.7), jnp.float64(-0.4)
    loss = lambda w, v, f: (f(w * 2.0) * v - 1) ** 2  # noqa: E731
    dw, dv = jax.grad(loss, (0, 1))(w, v, lambda h: h)
    turned = jax.grad(loss, (0, 1))(w, v, ops.reverse_gradient)
    assert_near(turned, (-dw, dv))


def lsq(x, step, low, high, g):
    """Esser et al. (2020), equations 1 to 3 and 5, entry by entry."""
    values, dx, dstep = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for i in np.ndindex(x.shape):
        v = x[i] / step
        values[i] = np.round(np.clip(v, low, high)) * step
        dx[i] = g[i] if low < v < high else 0
        slope = low if v <= low else high if v >= high else -v + np.round(v)
        dstep[i] = g[i] * slope
    return values, dx, dstep


@pytest.mark.parametrize(("signed", "ends"), [(True, (-4, 3)), (False, (0, 7))])
def test_fake_quantize_is_lsq(signed, ends):
    x, g, step = 2 * normal(6, 5), normal(6, 5, seed=1), 0.31
    values, dx, dstep = lsq(np.asarray(x), step, *ends, np.asarray(g))
    quantize = lambda x, s: ops.fake_quantize(  # noqa: E731
        x, s, bits=3, signed=signed, gradient_scale=0.1
    )
    y, pull = jax.vjp(quantize, x, jnp.float64(step))
    assert_near((y, *pull(g)), (values, dx, np.float64(0.1 * dstep.sum())))
    assert len(np.unique(np.round(y / step, 9))) <= 8
    steps = jnp.full(5, step)
    assert_near(jax.vjp(quantize, x, steps)[1](g)[1], 0.1 * dstep.sum(0))


def test_a_step_can_be_learned():
    """The error of rounding falls where the step follows its gradient."""
    x = normal(200)

    @jax.jit
    def loss(step):
        return ((ops.fake_quantize(x, step, bits=3) - x) ** 2).mean()

    step, first = jnp.float64(0.2), loss(0.2)
    for _ in range(60):
        step = step - 0.1 * jax.grad(loss)(step)
    assert loss(step) < 0.3 * first


def test_numbers_beyond_the_range_of_the_quotient_go_to_the_ends():
    x, step = jnp.array([6e4, -6e4], jnp.float16), jnp.float16(1e-3)
    y, pull = jax.vjp(lambda x, s: ops.fake_quantize(x, s, bits=4), x, step)
    np.testing.assert_allclose(y, [7e-3, -8e-3], rtol=1e-3)
    dx, dstep = pull(jnp.array([1, 1], jnp.float16))
    assert dx.tolist() == [0, 0]
    assert dstep == -1


def test_nan_is_not_hidden():
    x = jnp.array([jnp.nan, 1.0])
    y, pull = jax.vjp(ops.fake_quantize, x, jnp.float64(0.1))
    assert np.isnan(y).tolist() == [True, False]
    assert np.isnan(pull(y)[1])


def clipped(g, max_norm):
    return jax.vjp(lambda x: ops.clip_gradient(x, max_norm), jnp.zeros_like(g))[1](g)[0]


@pytest.mark.parametrize("max_norm", [0.1, 2.0, 1e3])
def test_gradients_are_clipped_as_optax_does(max_norm):
    g = normal(3, 4)
    optimizer = optax.clip_by_global_norm(max_norm)
    expected, _ = optimizer.update(g, optimizer.init(g))
    assert_near(clipped(g, max_norm), expected)
    x = normal(3, seed=1)
    np.testing.assert_array_equal(ops.clip_gradient(x, max_norm), x)
    assert fn.saved_bytes(lambda x: ops.clip_gradient(x, max_norm), x) == 0


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_a_gradient_is_clipped_over_the_whole_range(dtype):
    largest, least = jnp.finfo(dtype).max / 2, jnp.finfo(dtype).tiny
    g = jnp.array([largest, 0, -largest, 0], dtype)
    wanted = np.array([1, 0, -1, 0]) / 2**0.5
    np.testing.assert_allclose(clipped(g, 1.0).astype(float), wanted, rtol=4e-3)
    for short in (jnp.array([least, -least], dtype), jnp.zeros(3, dtype)):
        np.testing.assert_array_equal(clipped(short, 1.0), short)


def test_a_gradient_of_0_grows_as_it_is():
    slopes = jax.jacobian(lambda g: clipped(g, 0.1))(jnp.zeros(2))
    np.testing.assert_array_equal(slopes, np.eye(2))


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_a_gradient_that_is_not_finite_is_not_hidden(bad):
    assert np.isnan(clipped(jnp.array([1.0, bad]), 1.0)).all()


def test_under_vmap_each_example_is_clipped():
    g = jnp.array([[3.0, 4.0], [0.3, 0.4]])
    got = jax.vmap(lambda g: clipped(g, 1.0))(g)
    assert_near(got, jnp.array([[0.6, 0.8], [0.3, 0.4]]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.round_ste(jnp.arange(3)), TypeError, ["round_ste", "int"]),
        (lambda: ops.sign_ste(X, clip=-1), ValueError, ["sign_ste", "-1"]),
        (lambda: ops.clip_ste(X, 1, 0), ValueError, ["clip_ste", "1 and 0"]),
        (lambda: ops.scale_gradient(X, X), fn.ShapeError, ["factor", "(10,)"]),
        (lambda: ops.reverse_gradient(X, X), fn.ShapeError, ["reverse", "(10,)"]),
        (lambda: ops.scale_gradient(X, 1j), TypeError, ["factor"]),
        (lambda: ops.fake_quantize(X, X[:3]), fn.ShapeError, ["(10,)", "(3,)"]),
        (lambda: ops.fake_quantize(X, 1.0, bits=0), ValueError, ["bits", "0"]),
        (lambda: ops.fake_quantize(X, 1.0, bits=17), ValueError, ["bits", "17"]),
        (lambda: ops.fake_quantize(X, 1.0, bits=2.5), ValueError, ["bits", "2.5"]),
        (lambda: ops.fake_quantize(jnp.arange(3), 1.0), TypeError, ["x", "int"]),
        (lambda: ops.clip_gradient(X, 0.0), ValueError, ["clip_gradient", "0.0"]),
        (lambda: ops.clip_gradient(jnp.arange(3), 1.0), TypeError, ["x", "int"]),
    ],
)
def test_what_does_not_fit_is_refused(call, error, words):
    with refused(error, words):
        call()
