"""The float64 shadow: the program with its constants and bits, without rounding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shares import a_share

from funcnn.gradients._shadow import rounded_otherwise, shadow


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def wide(*arrays):
    return [np.asarray(x).astype(np.float64) for x in arrays]


X, Y = normal(3, 5), normal(5, 4, seed=1)
IMAGE, KERNEL = normal(2, 6, 5, 3), normal(3, 3, 3, 2, seed=1)


def softmax(x):
    return jax.nn.softmax(x)


def layer_norm(x):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 0.25)


def convolution(x, k):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, k, (2, 1), "SAME", dimension_numbers=numbers, precision="highest"
    )


def running(x):
    def step(carry, row):
        return jnp.tanh(carry + row), carry

    return jax.lax.scan(step, x[0], x, reverse=True)


def halving(x):
    return jax.lax.while_loop(lambda x: (x > 0.125).any(), lambda x: x / 2, x)


def branching(x):
    return jax.lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x)


def indexed(x):
    index = jnp.array([2, 0, 2, 7])
    return x.at[index].add(0.5 * x[index], mode="drop"), x[index], x.at[0].set(0.5)


def on_a_platform(x):
    return jax.lax.platform_dependent(x, tpu=jnp.cos, default=jnp.sin)


def windows(x):
    pool = jax.lax.reduce_window
    return (
        pool(x, -jnp.inf, jax.lax.max, (2, 2), (1, 2), "SAME"),
        pool(x, 0.0, jax.lax.add, (2, 2), (1, 2), "VALID"),
    )


def general_reductions(x):
    both = jax.lax.reduce(x, 1.0, lambda a, b: a * b + 0.25 * (a - b), (1,))
    return both, jax.lax.reduce_window(
        x, 1.0, lambda a, b: a * b, (2, 2), (1, 1), "VALID"
    )


def solved(x):
    matrix = x[:, :3] @ x[:, :3].T + 2 * jnp.eye(3)
    return jnp.linalg.solve(matrix, x), jnp.linalg.eigvalsh(matrix)


def spectrum(x):
    return jnp.abs(jnp.fft.fft(x)) ** 2


def rounded_on_the_way(x):
    low = x.astype(jnp.bfloat16).astype(jnp.float16)
    return jax.lax.reduce_precision(low, 5, 2).astype(jnp.float32) * 2


# Constants are exact in low precision, so the float64 program is the same.
PROGRAMS = {
    "softmax": (softmax, X),
    "layer norm": (layer_norm, X),
    "conv": (convolution, IMAGE, KERNEL),
    "matmul": (lambda x, y: jnp.dot(x, y, precision="highest"), X, Y),
    "einsum": (lambda x, y: jnp.einsum("ij,jk->ki", x, y), X, Y),
    "scan": (running, X),
    "while": (halving, np.abs(X)),
    "cond": (branching, X),
    "platform": (on_a_platform, X),
    "top_k": (lambda x: jax.lax.top_k(x, 3)[0], X),
    "sort": (lambda x: (jnp.sort(x, 0), jnp.argsort(x), jax.lax.top_k(x, 2)), X),
    "cumsum": (lambda x: (jnp.cumsum(x), jnp.cumprod(x, 1)), X),
    "scatter": (indexed, X),
    "windows": (windows, X),
    "reductions": (general_reductions, X),
    "linear algebra": (solved, X),
    "fft": (spectrum, X),
    "special": (lambda x: (jax.scipy.special.erf(x), jax.nn.softplus(x)), X),
    "rules": (lambda x: jax.nn.relu(jax.jit(jax.nn.silu)(x)), X),
    "remat": (jax.checkpoint(softmax), X),
    "grid": (lambda x: x * jnp.arange(5.0) + jnp.linspace(0, 1, 5), X),
    "a cast down": (rounded_on_the_way, X),
}


def exact(f, *args):
    """The program at the same values in float64, without the casts of its dtypes."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, f(*map(jnp.asarray, wide(*args))))


def assert_exact(got, expected):
    got, expected = jax.tree.leaves(got), jax.tree.leaves(expected)
    assert len(got) == len(expected)
    for g, e in zip(got, expected):
        assert g.dtype in (np.float64, np.int32), g.dtype
        np.testing.assert_allclose(g, e, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", a_share(sorted(set(PROGRAMS) - {"a cast down"}), 3))
def test_a_float32_program_becomes_the_float64_program(name):
    f, *args = PROGRAMS[name]
    assert_exact(shadow(f, *args), exact(f, *args))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("name", ["softmax", "layer norm", "conv", "scan", "cumsum"])
def test_a_half_precision_program_is_exact_at_its_inputs(name, dtype):
    f, *args = PROGRAMS[name]
    args = [x.astype(dtype) for x in args]
    assert_exact(shadow(f, *args), exact(f, *args))


# `special`: its derivative has a factor 2 / sqrt(pi), which float32 rounds.
NOT_HERE = {"while", "a cast down", "sort", "reductions", "special"}


@pytest.mark.parametrize("name", a_share(sorted(set(PROGRAMS) - NOT_HERE), 3))
def test_a_gradient_is_a_program_too(name):
    f, *args = PROGRAMS[name]

    def gradient(*args):
        outputs, pull = jax.vjp(f, *args)
        return pull(jax.tree.map(lambda y: jnp.full_like(y, 0.75), outputs))

    assert_exact(shadow(gradient, *args), exact(gradient, *args))


def test_casts_between_floats_do_nothing():
    np.testing.assert_array_equal(shadow(rounded_on_the_way, X), 2 * wide(X)[0])


def test_products_of_bfloat16_are_exact_with_any_preferred_type():
    x, y = X.astype(jnp.bfloat16), Y.astype(jnp.bfloat16)
    expected = np.matmul(*wide(x, y))
    for preferred in (None, jnp.float32, jnp.bfloat16):
        dot = functools.partial(jax.lax.dot, preferred_element_type=preferred)
        np.testing.assert_allclose(shadow(dot, x, y), expected, rtol=1e-15)
    preset = jax.lax.DotAlgorithmPreset.BF16_BF16_F32
    dot = functools.partial(jax.lax.dot, precision=preset)
    np.testing.assert_allclose(shadow(dot, X, Y), np.matmul(*wide(X, Y)), rtol=1e-15)


def test_constants_keep_the_rounding_of_their_dtype():
    table = jnp.asarray(normal(5, seed=3))

    def f(x):
        return 0.1 * x + np.float32(0.3) + table

    tenth, rest = np.float64(np.float32(0.1)), np.float64(np.float32(0.3))
    expected = tenth * wide(X)[0] + rest + wide(table)[0]
    np.testing.assert_array_equal(shadow(f, X), expected)
    half = shadow(lambda x: x * 0.1, X.astype(jnp.bfloat16))
    tenth = np.float64(jnp.bfloat16(0.1))
    np.testing.assert_array_equal(half, tenth * wide(X.astype(jnp.bfloat16))[0])


def test_cancellation_is_what_it_is_for():
    x = np.full(8, 1e4, np.float32)  # 1 / 8 is exact

    def variance(x):
        return (x * x).mean() - x.mean() ** 2 + 0.5

    assert shadow(variance, x) == 0.5


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_dropout_drops_the_same(dtype):
    def dropout(key, x):
        keep = jax.random.bernoulli(jax.random.fold_in(key, 3), 0.7, x.shape)
        return jnp.where(keep, x / 0.7, 0)

    x = jnp.ones((40, 50), dtype)
    plain = np.asarray(dropout(jax.random.key(1), x))
    for key in (jax.random.key(1), jax.random.PRNGKey(1)):
        exact = shadow(dropout, key, x)
        assert exact.dtype == np.float64
        np.testing.assert_array_equal(plain == 0, exact == 0)
    assert 0.25 < (plain == 0).mean() < 0.35


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("draw", [jax.random.normal, jax.random.uniform])
def test_random_numbers_come_from_the_same_bits(draw, dtype):

    def f(key):
        return draw(key, (50,), dtype)

    plain = np.asarray(f(jax.random.key(0))).astype(np.float64)
    tolerance = 8 * float(jnp.finfo(dtype).eps)
    got = shadow(f, jax.random.key(0))
    np.testing.assert_allclose(got, plain, rtol=tolerance, atol=tolerance)


def test_keys_integers_and_structure_are_kept():
    def f(tree, key, train):
        assert train == "yes"
        return {"key": jax.random.split(key), "n": tree["n"] + 1, "x": tree["x"] * 2}

    key = jax.random.key(0)
    got = shadow(f, {"n": np.int32(2), "x": X}, key, "yes")
    assert (jax.random.key_data(got["key"]) == jax.random.key_data(f_keys(key))).all()
    assert got["n"] == 3
    assert got["n"].dtype == np.int32
    assert got["x"].dtype == np.float64


def f_keys(key):
    return jax.random.split(key)


def test_a_float64_program_is_itself():
    with jax.enable_x64(True):
        x = normal(5, dtype=np.float64)
        np.testing.assert_array_equal(shadow(jnp.exp, x), jnp.exp(x))


def test_prints_are_left_out(capsys):
    def f(x):
        jax.debug.print("{}", x)
        return x * 2

    np.testing.assert_array_equal(shadow(f, X), 2 * wide(X)[0])
    jax.effects_barrier()
    assert capsys.readouterr().out == ""


def called_back(x):
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


REFUSED = {
    "random_gamma": lambda x: jax.random.gamma(jax.random.key(0), jnp.abs(x)),
    "bitcast_convert_type": jnp.signbit,
    "pure_callback": called_back,
    "nextafter": lambda x: jnp.nextafter(x, x + 1),
    "float8_e4m3fn": lambda x: x.astype(jnp.float8_e4m3fn).astype(x.dtype),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: lambda x: jax.lax.map(f, x)])
def test_what_has_no_exact_meaning_is_refused_by_name(name, wrap):
    with pytest.raises(NotImplementedError, match=name):
        shadow(wrap(REFUSED[name]), X)


def test_what_combines_two_entries_is_not_rounded_otherwise():
    """XLA on CPU aborts on a scatter whose additions draw random numbers."""

    def f(x):
        return jnp.zeros(3).at[jnp.array([0, 2, 0])].add(x)

    with jax.enable_x64(True):
        program = jax.make_jaxpr(f)(jnp.ones(3))
        otherwise = jax.make_jaxpr(rounded_otherwise(program, 0))(jnp.ones(3))
        scatters = [e for e in otherwise.eqns if e.primitive.name == "scatter-add"]
        assert [len(e.params["update_jaxpr"].eqns) for e in scatters] == [1]
        found = jax.jit(rounded_otherwise(program, 0))(jnp.array([1.0, 2, 3]))[0]
    np.testing.assert_allclose(found, [4, 0, 2], rtol=1e-15)
    assert (np.asarray(found) != [4, 0, 2]).any()  # the sum itself is a unit off
