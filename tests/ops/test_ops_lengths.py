"""Rules on lengths of vectors that cannot be squared, here and on other platforms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnn as fn
from funcnn import ops
from funcnn.ops._squares import by_unit, length
from funcnn.ops._surrogates._clip_gradient import _clip_gradient

pytestmark = pytest.mark.usefixtures("platform")
TINY = 1.2e-38  # what is below, XLA may take for 0
SIZES = [1e-45, 1e-40, 1e-30, 2.0**-42, 1.0, 2.0**42, 3e19, 1e30, 1e37]


@pytest.fixture(params=["here", "tpu"])
def platform(request, branches_of):
    if request.param != "here":
        branches_of(request.param)


def vectors(least=0.0, seed=0):
    """One of each size, of zeros, and of mixed sizes beside the bounds of scales."""
    factors = np.array([3, -1, 4, 1, -5, 2, 0, 7], np.float32)
    rng = np.random.default_rng(seed)
    alike = [np.float32(size) * rng.permutation(factors) for size in [*SIZES, 0]]
    below, above = 2.3e-13, 4.4e12  # near 2^-42 and 2^42
    mixed = [
        [1e-45, 1e-30, below, 1.1 * below, 0.9 * below, 0, -below, 1e-20],
        [1e-3, 1.0, above, -0.9 * above, 0.95 * above, 1.1 * above, 0, 1.0],
        [1e-45, 1e30, 2e29, 1.0, 0, 1e-30, -3e29, above],
    ]
    x = np.stack([*alike, *np.float32(mixed)])
    return np.where(abs(x) < np.float32(least), np.float32(0), x)


def cotangents(x, of_shape):
    """Such that 1 / |x| times them is of float32's range."""
    size = abs(x).max(-1, keepdims=True)
    g = np.where(size < 1e-20, 1e-8, np.where(size > 1e20, 1e8, 1.0))
    rng = np.random.default_rng(7)
    return np.float32(g * (0.5 + rng.random(of_shape)))


def assert_as_in_double(op, *many, declared=None, least=1.5e-45):
    """Value and gradient are those of the reference, in float64, at the same inputs."""
    run, in_double = jax.jit(pulled(op)), jax.jit(pulled(declared or fn.autodiff(op)))
    for floats, cotangent in many:
        double = jax.tree.map(np.float64, (floats, cotangent))
        found = run(floats, cotangent), in_double(*double)
        for g, e in zip(*map(jax.tree.leaves, found), strict=True):
            assert g.dtype == jnp.float32
            g, e = np.atleast_1d(np.float64(g), e)
            wrong = ~(abs(g - e) <= 3e-6 * abs(e).max(-1, keepdims=True) + least)
            assert not wrong.any(), (g[wrong], e[wrong], np.argwhere(wrong))


def pulled(op):
    def run(floats, cotangent):
        value, pull = jax.vjp(op, *floats)
        return value, pull(cotangent)

    return run


def test_norm():
    x = vectors()
    g = np.ones((len(x), 1), np.float32)
    assert_as_in_double(lambda x: ops.norm(x, keepdims=True), ((x,), g))


def test_unit_norm():
    """Of numbers that no device takes for 0."""
    x = vectors(1e-37)
    assert_as_in_double(ops.unit_norm, ((x,), cotangents(x, x.shape)))


def test_weight_norm():
    """Of features, whose kernels are columns; one of zeros would give NaN in double."""
    x = vectors(1e-37)
    x = x[x.any(-1)]
    scale = np.linspace(0.5, 2, len(x), dtype=np.float32)
    op = lambda op: lambda x, scale: op(x.T, scale).T  # noqa: E731
    assert_as_in_double(
        op(ops.weight_norm),
        ((x, scale), cotangents(x, x.shape)),
        declared=op(fn.autodiff(ops.weight_norm)),
    )


def test_cosines():
    """Whose lengths have an inverse in float32."""
    a, b = vectors(1e-36) / np.float32(8), vectors(1e-36, 1)[:, ::-1] / np.float32(8)
    g = cotangents(a, (len(a), 1))[:, 0]
    for op in (ops.cosine_similarity, ops.cosine_distance):
        assert_as_in_double(op, ((a, b), g), least=TINY)


@pytest.mark.parametrize("eps", [1e-40, 1e-6, 1e30])
def test_triplet_margin_loss(eps):
    a = vectors(1e-37) / np.float32(16)  # the inverses of distances too are floats
    loss = lambda a, p, n: ops.triplet_margin_loss(a, p, n, eps=eps)  # noqa: E731
    floats = a, np.roll(a, 1, axis=-1), np.roll(a, 3, axis=-1)
    assert_as_in_double(loss, (floats, np.ones(len(a), np.float32)), least=TINY)


@pytest.mark.parametrize("max_norm", [1e-30, 0.5, 1e30])
def test_clip_gradient(max_norm):
    ones = np.ones(8, np.float32)
    assert_as_in_double(
        lambda x: ops.clip_gradient(x, max_norm),
        *(((ones,), g) for g in vectors()),
        declared=lambda x: _clip_gradient.declared(x, max_norm),
    )


def test_clip_gradient_of_a_number():
    """Of a single one a compiler squares a product as the product of two squares."""
    one = np.float32(1)
    assert_as_in_double(
        lambda x: ops.clip_gradient(x, 0.5),
        *(((one,), np.float32(size)) for size in SIZES),
        declared=lambda x: _clip_gradient.declared(x, 0.5),
    )


def test_second_derivatives_of_lengths():
    """Of each choice of a scale: none may give NaN where it is not taken."""
    direction = np.array([1, 2, 0.5, -1], np.float32)

    def slope(op):
        first = lambda x: (jax.grad(op)(x) * direction).sum()  # noqa: E731
        return jax.jit(jax.grad(first))

    run, in_double = slope(ops.norm), slope(fn.autodiff(ops.norm))
    for size in (1e-25, 1e-10, 1.0, 1e12, 1e25):
        x = np.float32(size) * np.array([3, 0, -4, 1e-3], np.float32)
        got, expected = run(x), in_double(np.float64(x))
        largest = abs(expected).max()
        np.testing.assert_allclose(got / largest, expected / largest, atol=3e-6)


def test_what_is_not_finite_stays_so():
    def length_of(x):
        return length(x, axes=-1).value

    x = np.array([[1, -np.inf], [1, np.nan], [1e30, np.nan], [3, 4]], np.float32)
    got = np.asarray(jax.jit(length_of)(x)).ravel()
    np.testing.assert_array_equal(got, np.float32([np.inf, np.nan, np.nan, 5]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_and_their_unit(dtype):
    """In float64 too, of which the ordinary numbers are many more."""
    info = np.finfo(dtype)
    x = dtype([info.smallest_subnormal, info.tiny, 1, info.max / 8])[:, None]
    x = x * dtype([3, 4])
    scaled = jax.jit(lambda x: by_unit(lambda u, unit: u, x, length(x, axes=-1).unit))
    root, unit = map(np.asarray, jax.jit(lambda x: length(x, axes=-1))(x))
    assert not np.any(np.log2(unit) % 1)
    if dtype == np.float64:  # subnormal numbers are lost there
        x, root, unit = x[1:], root[1:], unit[1:]
    np.testing.assert_allclose(
        scaled(x) / root, np.tile([[0.6, 0.8]], (len(x), 1)), 3e-7
    )
