"""No false alarm: every rule of ours, in every dtype, at every scale."""

import contextlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import NAMES, cases

import funcnn as fn

DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16, jnp.float64]
SCALES = [1e-3, 1.0, 1e2]
# arguments that cannot be scaled: they are probabilities, the interval that has a
# root, times at which an equation is solved with few steps
FRACTIONS = {
    ("binary_cross_entropy.binary_cross_entropy", 0),
    ("monotone_root.monotone_root", 2),
    ("monotone_root.monotone_root", 3),
    ("ode_adjoint.ode_adjoint", 3),
    ("dice_loss.dice_loss", 0),
    ("dice_loss.dice_loss", 1),
    ("sigmoid_focal_loss.sigmoid_focal_loss", 1),
}


def _largest(name, dtype):
    return max(cases(name, dtype=dtype), key=lambda c: sum(x.size for x in c.floats))


def _scaled(name, case, scale, dtype):
    limit = float(jnp.finfo(dtype).max) / 4
    for position, x in zip(case.positions, case.floats):
        factor = 1 if (name, position) in FRACTIONS else scale
        wide = np.clip(np.asarray(x, np.float64) * factor, -limit, limit)
        yield wide.astype(dtype)


def _trials():
    """Every rule, dtype and scale; of each rule one dtype and scale are tried in CI."""
    for number, name in enumerate(NAMES):
        of_ci = DTYPES[number % len(DTYPES)], SCALES[number % len(SCALES)]
        for dtype, scale in itertools.product(DTYPES, SCALES):
            chosen = (dtype, scale) == of_ci
            marks = pytest.mark.slow if chosen else pytest.mark.exhaustive
            yield pytest.param(name, dtype, scale, marks=marks)


@pytest.mark.parametrize(("name", "dtype", "scale"), list(_trials()))
def test_correct_rules_pass_at_every_scale(name, dtype, scale):
    wide = jax.enable_x64(True) if dtype is jnp.float64 else contextlib.nullcontext()
    with wide:
        case = _largest(name, dtype)
        args = tuple(_scaled(name, case, scale, dtype))
        report = fn.check(case.manual, *args, fast=True)
        assert report.rows, f"{name} at {scale}"
        assert report.ok, f"{name} at {scale}\n{report}"


ORDER = np.array([1, 2, 0])


def _in_order(x):
    return x[jnp.array([1, 2, 0])]


@pytest.mark.parametrize("width", [np.int32, np.int64])
def test_a_table_of_the_rule_s_own_is_no_input(width):
    order = ORDER.astype(width)
    rule = fn.rule(
        _in_order,
        lambda x: (x[order], None),
        lambda _, g: (jnp.zeros_like(g).at[order].set(g),),
        cases=lambda normal: [(normal(3),)],
    )
    report = fn.check(rule)
    report.assert_ok()
    assert report.rows[0].verdict == "OK"
    if width is np.int64:  # JAX has made them 32 bits wide, and keeps that
        assert report.rows[1].verdict == "NOT TESTABLE"


def _in_float64(reference, backward, x):
    rule = fn.rule(
        reference,
        lambda x: (reference(x), x),
        lambda x, g: (backward(x, g),),
        cases=lambda normal: [(x,)],
    )
    with jax.enable_x64(True):
        return fn.check(rule, x, fast=True)


def test_a_constant_that_is_cut_off_is_found_in_float64():
    def scaled(x):
        return jnp.sqrt(2 / jnp.pi) * x

    report = _in_float64(scaled, lambda x, g: 0.79788456 * g, np.array([0.5, 1.0]))
    assert report.rows[0].verdict == "RULE WRONG"
