"""The sweep of the functions of one number: truths, measure, and a short run."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from benchmarks.pointwise_accuracy.measure import Worst, condition
from benchmarks.pointwise_accuracy.points import points, special
from benchmarks.pointwise_accuracy.truths import OPS, at

SIZES = [1e-40, 1e-20, 1e-8, 1e-3, 0.3, 0.7, 1.25, 2.4, 5.9, 11, 14, 40, 100, 1e5, 1e30]
POINTS = np.array([*SIZES, *[-x for x in SIZES]])


def decimal(text):
    return mpf(text)


def softplus(x, beta=1):
    return mp.log1p(mp.exp(beta * x)) / beta


def log1p_exp_tail(x):
    """tanh(log(1 + exp(x)))."""
    w = (1 + mp.exp(x)) ** 2
    return (w - 1) / (w + 1)


def elu(x, alpha, scale=1):
    return scale * (x if x > 0 else alpha * mp.expm1(x))


def gelu_tanh(x):
    inner = mp.sqrt(2 / mp.pi) * (x + decimal("0.044715") * x**3)
    return x / (1 + mp.exp(-2 * inner))


SELU = decimal("1.6732632423543772848"), decimal("1.0507009873554804934")
EXACT = {
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x: x if x > 0 else x / 100,
    "prelu(x, 0.25)": lambda x: x if x > 0 else x / 4,
    "relu6": lambda x: min(max(x, 0), 6),
    "relu_squared": lambda x: max(x, 0) ** 2,
    "hard_tanh": lambda x: min(max(x, -1), 1),
    "hard_sigmoid": lambda x: min(max(x + 3, 0), 6) / 6,
    "hard_silu": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "log_sigmoid": lambda x: -softplus(-x),
    "tanh": mp.tanh,
    "softplus": softplus,
    "softplus(x, beta=3)": lambda x: softplus(x, 3),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "mish": lambda x: x * log1p_exp_tail(x),
    "gelu": gelu_tanh,
    "gelu(x, approximate=False)": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "elu": lambda x: elu(x, 1),
    "elu(x, 0.3)": lambda x: elu(x, decimal("0.3")),
    "celu": lambda x: elu(x, 1),
    "celu(x, 0.3)": lambda x: (
        x if x > 0 else decimal("0.3") * mp.expm1(x / decimal("0.3"))
    ),
    "selu": lambda x: elu(x, *SELU),
    "soft_sign": lambda x: x / (1 + abs(x)),
    "squareplus": lambda x: (x + mp.sqrt(x * x + 4)) / 2,
    "log_cosh": lambda x: mp.log(mp.cosh(x)),
    "log1mexp": lambda x: mp.log(1 - mp.exp(-x)),
    "xlogx": lambda x: x * mp.log(x),
    "sin": mp.sin,
    "sinc": lambda x: mp.sincpi(x),
}
NEAR_0 = decimal("1e-60")  # smaller, and nothing in float32 sees it


def test_every_function_has_an_exact_one():
    assert set(EXACT) == set(OPS)


@pytest.mark.parametrize("name", OPS)
def test_the_truths_are_those_of_mpmath(name):
    op, exact = OPS[name], EXACT[name]
    positive = name in ("log1mexp", "xlogx")
    x = POINTS[POINTS > 0] if positive else POINTS
    if name == "sin":
        x = x[np.abs(x) < 1e6]
    values, slopes = at(op.value, x, op.converges), at(op.slope, x, op.converges)
    with mp.workdps(300):
        for point, value, slope in zip(x, values, slopes):
            p = mpf(float(point))
            step = abs(p) * mpf(10) ** -70
            true = exact(p)
            rise = (exact(p + step) - exact(p - step)) / (2 * step)
            for got, expected in ((value, true), (slope, rise)):
                error = abs(mpf(float(got)) - expected)
                assert error <= 1e-12 * abs(expected) + NEAR_0, (point, got, expected)


def test_limits():
    x = np.array([np.inf, -np.inf, np.nan])
    relu, xlogx, sin = OPS["relu"], OPS["xlogx"], OPS["sin"]
    assert at(relu.value, x, True)[:2].tolist() == [np.inf, 0]
    assert at(relu.slope, x, True)[:2].tolist() == [1, 0]
    assert at(xlogx.slope, x, True)[0] == np.inf
    assert np.isnan(at(sin.value, x, False)).all()
    assert np.isnan(at(relu.value, x, True)[2])


def test_float32_is_looked_at_in_every_exponent():
    chunks = list(points("float32", 2**14))
    exponents = np.concatenate(chunks).view(np.uint32) >> 23
    counts = np.bincount(exponents, minlength=512)
    assert (counts[:255] >= 30).all()
    assert (counts[256:511] >= 30).all()
    least, largest = np.float32(1e-45), np.finfo(np.float32).max
    assert {0.0, float(least), float(largest), np.inf} <= set(special().tolist())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_of_half_precision_all_numbers_are_looked_at(dtype):
    (chunk,) = points(dtype, 2**14)
    assert len(set(chunk.view(np.uint16).tolist())) == 2**16


def test_a_condition_number_is_that_of_the_smooth_side():
    x = np.array([1e-3, 2.0, 30.0])
    np.testing.assert_allclose(condition(np.exp, x, np.exp(x)), x, rtol=1e-3)
    kink = np.array([1.0])
    found = condition(lambda x: np.where(x > 1, 100 * x, 1), kink, np.ones(1))
    assert found[0] == 0


def test_what_is_counted():
    x, true = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 1, 1e-40, np.inf, np.nan])
    worst = Worst()
    got = np.array([1 + 2**-20, np.inf, 0, np.inf, 7], np.float32)
    worst.add(x, got, true, lambda *_: np.full(5, 4.0))
    assert worst.not_finite == 1
    assert (worst.ulps, worst.input) == (np.inf, 2)
    assert worst.broken == 3  # 8 units, an infinity, a flushed number
    assert worst.share_input == 3


def run(*options):
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    command = [sys.executable, "-m", "benchmarks.pointwise_accuracy", "--quick"]
    return subprocess.run(
        [*command, "--jobs", "1", *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=os.path.dirname(os.path.dirname(__file__)),
    )


@pytest.mark.slow
def test_a_few_functions_hold_their_bounds_as_they_are_compiled_for_users():
    done = run("relu6", "silu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "12 rows, 0 results beyond the bound"


@pytest.mark.slow
def test_all_functions_hold_their_bounds():
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_function_is_named():
    done = run("rely")
    assert done.returncode == 2
    assert "rely" in done.stderr


def test_a_flushed_slope_is_beyond_the_bound(monkeypatch):
    from benchmarks.pointwise_accuracy import measure

    flushing = OPS["sigmoid"]._replace(ours=jax.nn.sigmoid)
    monkeypatch.setitem(measure.OPS, "sigmoid", flushing)
    value, slope = measure.measured("sigmoid", "float16", 2**14)
    assert jnp.dtype(slope.dtype) == jnp.float16
    assert slope.ours.broken > 100
    assert slope.ours.broken == slope.theirs.broken
    assert value.inputs == 2**16
