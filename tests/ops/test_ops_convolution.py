"""What the docstrings of convolutions, pools and resizing promise beyond gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from matrix import assert_near, cases, refused

import funcnn as fn
from funcnn import ops
from funcnn.ops._convolution import _conv, _depthwise_conv, _kernel_cotangent
from funcnn.ops._convolution._convolve import convolve, convolved
from funcnn.ops._convolution._convolve_on_cpu import convolve_on_cpu
from funcnn.ops._convolution._windows import windows


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


# Convolutions.


@pytest.mark.parametrize("padding", ["SAME", "VALID", [(2, 1), (0, 4)]])
@pytest.mark.parametrize(("stride", "dilation"), [((1, 2), (2, 1)), ((3, 4), (1, 1))])
def test_conv_transpose_is_lax_s(padding, stride, dilation):
    x, kernel = normal(1, 3, 4, 2), normal(3, 2, 2, 3)
    options = {"padding": padding, "rhs_dilation": dilation}
    expected = lax.conv_transpose(x, kernel, stride, **options)
    y = ops.conv_transpose(x, kernel, stride=stride, padding=padding, dilation=dilation)
    assert_near(y, expected)


@pytest.mark.parametrize(
    ("sizes", "kernel", "strides", "dilation", "more"),
    [
        ((7, 9), (3, 3, 17, 2), (1, 1), (1, 1), 1),
        ((9, 2), (3, 1, 16, 17), (1, 1), (1, 1), 1),
        ((3, 16), (1, 2, 18, 3), (1, 1), (1, 2), 1),
        ((4, 4), (3, 3, 17, 2), (1, 1), (1, 1), 0),  # a row in four is too much
        ((8, 8), (3, 3, 17, 2), (2, 2), (1, 1), 0),
        ((8, 8), (3, 3, 16, 16), (1, 1), (1, 1), 0),  # too few channels
    ],
)
def test_more_rows_on_cpu_are_cut_off(sizes, kernel, strides, dilation, more):
    """In float32 alone: the matrix, in float64, does not come by."""
    arrays = normal(2, *sizes, kernel[-2]), normal(*kernel, seed=1)
    x, kernel = (a.astype(jnp.float32) for a in arrays)
    where = windows("conv", x, kernel.shape[:-2], strides, "SAME", dilation)

    def by(form):
        return lambda *args: convolved(*args, where, 1, form)

    found = jax.jit(by(convolve_on_cpu))
    assert_near(found(x, kernel), by(convolve)(x, kernel), 1e-5)
    (shape,) = (
        equation.outvars[0].aval.shape
        for equation in jax.make_jaxpr(by(convolve_on_cpu))(x, kernel).eqns
        if equation.primitive.name == "conv_general_dilated"
    )
    assert sum(shape) == sum(found(x, kernel).shape) + more


@pytest.mark.parametrize("images", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, (2, 3)])
def test_cotangents_on_cpu_are_the_same_in_chunks_of_images(
    monkeypatch, images, stride
):
    """Of the kernel as plain convolutions, of x (with a stride) as products."""
    monkeypatch.setattr(_kernel_cotangent, "_images", lambda x, g: images)
    monkeypatch.setattr(_conv, "images_in_cache", lambda size: images)
    x, kernel = normal(7, 6, 5, 2), normal(3, 2, 2, 3, seed=1)

    def pulled(by):
        y, pull = jax.vjp(lambda *args: by(*args, stride=stride), x, kernel)
        return pull(normal(*y.shape, seed=2))

    for got, expected in zip(pulled(ops.conv), pulled(fn.autodiff(ops.conv))):
        assert_near(got, expected)


@pytest.mark.parametrize(
    ("channels", "products"),
    [((1, 32), 0), ((1, 8), 1), ((16, 32), 0), ((12, 24), 1), ((17, 24), 0)],
)
def test_the_kernels_cotangent_on_cpu_goes_by_the_channels(channels, products):
    shapes = (2, 4, 4, channels[0]), (3, 3, *channels)
    x, kernel = (normal(*shape).astype(jnp.float32) for shape in shapes)
    where = windows("conv", x, (3, 3), 1, "SAME")
    g = convolved(x, kernel, where, 1)
    assert _kernel_cotangent._runs_faster_by_products(x, g, where, 1) == products
    got = _kernel_cotangent.kernel_cotangent(x, g, where, 1)
    expected = _kernel_cotangent.kernel_cotangent_by_convolution(x, g, where, 1)
    assert_near(got, expected, 1e-5)


def test_conv_transpose_is_the_transpose_of_conv():
    """The cotangent of conv's input, by a kernel that is turned round."""
    y, kernel = normal(2, 4, 6, 4), normal(2, 3, 2, 6)
    x, pull = jax.vjp(lambda y: ops.conv(y, kernel, stride=2, groups=2), y)
    turned = kernel[::-1, ::-1].reshape(2, 3, 2, 2, 3).transpose(0, 1, 4, 3, 2)
    got = ops.conv_transpose(x, turned.reshape(2, 3, 3, 4), stride=2, groups=2)
    assert_near(got, pull(x)[0])


def test_depthwise_conv_is_conv_with_a_group_for_each_channel():
    x, kernel, bias = normal(2, 5, 4, 3), normal(3, 2, 1, 6), normal(6)
    options = {"stride": 2, "padding": "VALID", "dilation": (2, 1)}
    expected = ops.conv(x, kernel, bias, groups=3, **options)
    assert_near(ops.depthwise_conv(x, kernel, bias, **options), expected)


@pytest.mark.slow
def test_depthwise_conv_is_the_same_by_products_and_by_convolution():
    one, other = "by_products", "by_convolution"

    def both(x, kernel, g, where):
        forward = [getattr(_depthwise_conv, f"_{way}") for way in (one, other)]
        back = [getattr(_depthwise_conv, f"_cotangents_{way}") for way in (one, other)]
        values = [f(x, kernel, where) for f in forward]
        return list(zip(values, [f(x, kernel, g, where) for f in back]))

    for case in cases("depthwise_conv.depthwise_conv"):
        x, kernel, _, where = case.args
        compiled = jax.jit(both, static_argnums=3)
        assert_near(*compiled(x, kernel, case.cotangent(), where), where=case.name)


def test_separable_conv_is_one_after_the_other_and_saves_its_inputs():
    x, outer, inner, bias = normal(2, 5, 3), normal(3, 1, 6), normal(6, 2), normal(2)
    expected = ops.affine(ops.depthwise_conv(x, outer, stride=2), inner, bias)
    assert_near(ops.separable_conv(x, outer, inner, bias, stride=2), expected)
    saved = fn.saved_bytes(ops.separable_conv, x, outer, inner)
    assert saved == 8 * (x.size + outer.size + inner.size)


@pytest.mark.parametrize("dilation", [1, 2])
def test_causal_conv_does_not_see_the_future(dilation):
    x, kernel = normal(1, 7, 2), normal(3, 2, 3)
    y, pull = jax.vjp(lambda x: ops.causal_conv(x, kernel, dilation=dilation), x)
    assert y.shape == (1, 7, 3)
    changed = ops.causal_conv(x.at[:, 4:].set(9), kernel, dilation=dilation)
    assert (changed[:, :4] == y[:, :4]).all()
    assert (changed[:, 4:] != y[:, 4:]).all()
    (dx,) = pull(jnp.ones_like(y).at[:, 4:].set(0))  # a loss of the past
    assert (dx[:, 4:] == 0).all()
    assert (dx[:, :4] != 0).all()
    # and the kernel's last entry meets the present
    present = jnp.zeros_like(kernel).at[-1].set(kernel[-1])
    assert_near(ops.causal_conv(x, present, dilation=dilation), x @ kernel[-1])


# Pools.


def test_avg_pool_may_leave_its_padding_out():
    x = normal(1, 4, 5, 1)
    options = {"stride": 2, "padding": ((1, 0), (1, 1))}
    total = 6 * ops.avg_pool(x, (2, 3), **options)
    count = 6 * ops.avg_pool(jnp.ones_like(x), (2, 3), **options)
    assert count.min() < count.max() == 6
    without = ops.avg_pool(x, (2, 3), count_include_pad=False, **options)
    assert_near(without, total / count)


def test_min_pool_is_the_least_and_of_equals_the_first():
    x = normal(2, 5, 4, 1)
    y = ops.min_pool(x, (2, 3), stride=1, padding="SAME")
    window = ((1, 2, 3, 1), (1, 1, 1, 1), "SAME")
    assert_near(y, lax.reduce_window(x, jnp.inf, lax.min, *window))
    dx = jax.grad(lambda x: ops.min_pool(x, 4).sum())(jnp.zeros((1, 4, 1)))
    assert dx.ravel().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("p", [1, 1.5, 2, 5])
def test_power_mean_pool_is_a_mean_of_powers(p):
    x = normal(1, 6, 2)
    expected = (abs(x.reshape(1, 2, 3, 2)) ** p).mean(2) ** (1 / p)
    assert_near(ops.power_mean_pool(x, 3, p), expected)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float32", 1e38), ("float32", 1e-37), ("float16", 6e4), ("bfloat16", 1e-37)],
)
@pytest.mark.parametrize("p", [1.0, 2.5, 64.0])
def test_power_mean_pool_has_the_range_of_its_input(dtype, size, p):
    x = jnp.asarray([size, -size, size / 2, 0.0], dtype)[None, :, None]
    y, pull = jax.vjp(lambda x: ops.power_mean_pool(x, 4, p), x)
    ratios = np.array([1, 1, 0.5, 0.0])
    expected = np.mean(ratios**p) ** (1 / p)
    slope = np.sign(ratios) * (ratios / expected) ** (p - 1) / 4
    signs = np.array([1, -1, 1, 1])
    got, near = float(y[0, 0, 0]) / float(x[0, 0, 0]), float(jnp.finfo(dtype).eps)
    assert got == pytest.approx(expected, rel=2 * near)
    dx = pull(jnp.ones_like(y))[0].ravel().astype(float)
    np.testing.assert_allclose(dx, signs * slope, rtol=max(4 * near, 1e-5), atol=1e-6)


def test_power_mean_pool_of_zeros_infinities_and_nan():
    x = jnp.array([0.0, 0.0, jnp.inf, 1.0, jnp.nan, 1.0])[None, :, None]
    y, pull = jax.vjp(lambda x: ops.power_mean_pool(x, 2, 3.0), x)
    assert y.ravel()[:2].tolist() == [0, jnp.inf]
    assert np.isnan(y[0, 2, 0])
    assert pull(jnp.ones_like(y))[0].ravel()[:2].tolist() == [0, 0]


def bins(n, m):
    return [slice(o * n // m, -(-(o + 1) * n // m)) for o in range(m)]


@pytest.mark.parametrize(("n", "m"), [((5, 6), (3, 2)), ((3, 1), (5, 2)), ((7,), (4,))])
def test_adaptive_pools_have_pytorch_s_bins(n, m):
    x = normal(2, *n, 3)
    for op, f in [(ops.adaptive_avg_pool, np.mean), (ops.adaptive_max_pool, np.max)]:
        y = np.empty((2, *m, 3))
        for at in itertools.product(*map(range, m)):
            here = [bins(*pair)[o] for *pair, o in zip(n, m, at)]
            axes = tuple(range(1, x.ndim - 1))
            y[:, *at] = f(np.asarray(x)[:, *here], axis=axes)
        assert_near(op(x, m), jnp.asarray(y))


def test_global_pools_are_reductions_and_save_little():
    x = normal(2, 3, 4, 5)
    assert_near(ops.global_avg_pool(x), x.mean((1, 2)))
    assert_near(ops.global_max_pool(x), x.max((1, 2)))
    assert fn.saved_bytes(ops.global_avg_pool, x) == 0
    assert fn.saved_bytes(ops.global_max_pool, x) == 2 * 5 * 4  # a place for each


@pytest.mark.slow
def test_of_equal_entries_the_first_is_the_maximum_of_a_bin():
    for size in (1, (2, 1)):
        x = jnp.zeros((1, 3, 3, 1)).at[0, 1:, 1:].set(7.0)
        dx = jax.grad(lambda x: ops.adaptive_max_pool(x, size).sum())(x)
        assert dx[0, :, :, 0].tolist() == [
            [0, 0, 0],
            [0, 1.0 * np.prod(size), 0],
            [0, 0, 0],
        ]


@pytest.mark.slow
def test_a_nan_is_the_maximum_of_its_bin_and_of_no_other():
    x = normal(1, 4, 1).at[0, 1].set(jnp.nan)
    for size, expected in [(2, [True, False]), (3, [True, True, False]), (1, [True])]:
        y, pull = jax.vjp(lambda x: ops.adaptive_max_pool(x, size), x)
        assert np.isnan(y).ravel().tolist() == expected
        assert pull(jnp.ones_like(y))[0][0, 1, 0] >= 1


# Resizing.

SIZES = [((3, 5), (6, 2)), ((4, 7), (3, 3)), ((2, 3), (5, 7)), ((5, 4), (5, 1))]


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_resizing_is_that_of_jax_image(n, m):
    x = normal(2, *n, 2)
    shape = (2, *m, 2)
    assert_near(ops.resize_nearest(x, m), jax.image.resize(x, shape, "nearest"))
    for antialias in (True, False):
        expected = jax.image.resize(x, shape, "bilinear", antialias=antialias)
        assert_near(ops.resize_bilinear(x, m, antialias=antialias), expected, 1e-6)


def test_what_is_infinite_does_not_spread():
    x = normal(1, 6, 1).at[0, 0].set(jnp.inf)
    for op in (ops.resize_nearest, ops.resize_bilinear, ops.adaptive_avg_pool):
        for size in (4, 9):
            assert np.isfinite(op(x, size)[0, 3:]).all()


def test_long_axes_find_their_inputs():
    """Where whole numbers of 32 bits would overflow."""
    n, m = 200_000, 10_007
    with jax.enable_x64(False):
        ramp = jnp.arange(n, dtype=jnp.float32)[None, :, None]
        nearest = ops.resize_nearest(ramp, m).ravel()
        mean = ops.adaptive_avg_pool(ramp, m).ravel()
        linear, pull = jax.vjp(lambda x: ops.resize_bilinear(x, m), ramp)
        (dx,) = pull(jnp.ones_like(linear))
    o = np.arange(m, dtype=np.int64)
    np.testing.assert_array_equal(nearest, (2 * o + 1) * n // (2 * m))
    first, last = o * n // m, -(-(o + 1) * n // m) - 1
    np.testing.assert_allclose(mean, (first + last) / 2, rtol=1e-5)
    expected = (o + 0.5) * n / m - 0.5  # but for the borders
    np.testing.assert_allclose(linear.ravel()[3:-3], expected[3:-3], rtol=1e-4)
    np.testing.assert_allclose(dx.ravel()[99:-99], m / n, rtol=0.01)


def test_pixel_shuffle_puts_channels_where_pytorch_does():
    x = normal(1, 2, 3, 8)
    y = ops.pixel_shuffle(x, 2)
    assert y.shape == (1, 4, 6, 2)
    for i, j, k in itertools.product(range(4), range(6), range(2)):
        channel = 4 * k + 2 * (i % 2) + j % 2
        assert y[0, i, j, k] == x[0, i // 2, j // 2, channel]
    assert (ops.pixel_unshuffle(y, 2) == x).all()
    for axes in (1, 3):
        x = normal(2, *[2] * axes, 3**axes)
        assert (ops.pixel_unshuffle(ops.pixel_shuffle(x, 3), 3) == x).all()


# Bad input.

IMAGE, LINE = jnp.ones((2, 4, 6, 3)), jnp.ones((2, 5, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.conv_transpose(LINE, jnp.ones((3, 4, 2))), ["(3, 4, 2)", "4 ch"]),
        (lambda: ops.conv_transpose(LINE, jnp.ones((3, 3))), ["*window", "(3, 3)"]),
        (
            lambda: ops.conv_transpose(LINE, jnp.ones((9, 3, 2)), padding=[(0, 0)]),
            ["does not fit", "(9,)", "(2, 5, 3)"],
        ),
        (lambda: ops.depthwise_conv(LINE, jnp.ones((3, 3, 3))), ["3 * mul", "(3, 3"]),
        (lambda: ops.depthwise_conv(LINE, jnp.ones((3, 1, 4))), ["3 * mul", "4)"]),
        (lambda: ops.depthwise_conv(LINE, jnp.ones((1, 3))), ["*window", "(1, 3)"]),
        (
            lambda: ops.depthwise_conv(LINE, jnp.ones((3, 1, 3)), jnp.ones(2)),
            ["(3,)", "(2,)"],
        ),
        (
            lambda: ops.separable_conv(LINE, jnp.ones((3, 1, 6)), jnp.ones((3, 2))),
            ["(6, m)", "(3, 2)"],
        ),
        (
            lambda: ops.separable_conv(
                LINE, jnp.ones((3, 1, 3)), jnp.ones((3, 2)), jnp.ones(3)
            ),
            ["pointwise_kernel", "(2,)", "(3,)"],
        ),
        (lambda: ops.causal_conv(IMAGE, jnp.ones((2, 3, 2))), ["time", "(2, 4, 6, 3)"]),
        (lambda: ops.min_pool(LINE, 6), ["min_pool", "does not fit"]),
        (lambda: ops.power_mean_pool(LINE, (2, 2)), ["power_mean_pool", "2 spatial"]),
        (lambda: ops.resize_nearest(LINE, (2, 2)), ["resize_nearest", "2 spatial"]),
        (lambda: ops.global_avg_pool(jnp.ones((2, 3))), ["global_avg_pool", "1 to 3"]),
        (lambda: ops.global_max_pool(jnp.ones((2, 0, 3))), ["empty", "(2, 0, 3)"]),
        (lambda: ops.pixel_shuffle(IMAGE, 2), ["4 channels", "(2, 4, 6, 3)"]),
        (lambda: ops.pixel_unshuffle(IMAGE, 4), ["divides", "(2, 4, 6, 3)"]),
    ],
)
def test_shapes_that_do_not_fit(call, words):
    with refused(fn.ShapeError, words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: ops.avg_pool(LINE, 2, padding=[(2, 0)], count_include_pad=False),
            ["(2, 5, 3)", "((2, 0),)"],
        ),
        (
            lambda: ops.avg_pool(LINE, 1, padding=[(0, 1)], count_include_pad=False),
            ["count_include_pad"],
        ),
        (lambda: ops.power_mean_pool(LINE, 2, 0.5), ["at least 1", "0.5"]),
        (lambda: ops.power_mean_pool(LINE, 2, np.inf), ["finite", "inf"]),
        (lambda: ops.resize_bilinear(LINE, 0), ["size", "0"]),
        (lambda: ops.resize_bilinear(IMAGE, 2.5), ["size", "2.5"]),
        (lambda: ops.pixel_shuffle(LINE, 0), ["factor", "0"]),
        (
            lambda: ops.conv_transpose(LINE, jnp.ones((2, 3, 1)), padding=[(0, -1)]),
            ["conv_transpose", "(0, -1)"],
        ),
        (
            lambda: ops.causal_conv(LINE, jnp.ones((2, 3, 1)), dilation=0),
            ["causal_conv", "dilation", "0"],
        ),
    ],
)
def test_options_that_are_not_understood(call, words):
    with refused(ValueError, words, match=r"^\w+: ") as caught:
        call()
    assert not isinstance(caught.value, fn.ShapeError)
