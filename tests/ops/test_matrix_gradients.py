"""Every rule over all its cases: the gradient is right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import NAMES, PLAIN, RULES, a_third, assert_near, cases, pullback

from funcnn import rule


def check_gradient(case, cotangent):
    _, manual = pullback(case.manual, case.floats, cotangent)
    _, automatic = pullback(case.automatic, case.floats, cotangent)
    assert_near(manual, automatic, where=case.name)


@pytest.mark.parametrize("name", NAMES)
def test_value_equals_reference(name):
    for case in cases(name):
        reference = case.at(case.op.reference)
        both = jax.jit(lambda *x: (case.manual(*x), reference(*x)))
        value, expected = both(*case.floats)
        assert_near(value, expected, where=case.name)
        forward, _ = pullback(case.manual, case.floats, case.cotangent())
        assert_near(forward, value, 1e-15, case.name)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_plain(name):
    """With a rule of JAX's in it, its automatic derivative would be a manual one."""
    for case in cases(name):
        for f in (case.automatic, case.at(case.op.reference)):
            program = str(jax.make_jaxpr(f)(*case.floats))
            assert "custom_jvp_call" not in program, case.name
            assert "custom_vjp_call" not in program, case.name


@pytest.mark.parametrize("name", NAMES)
def test_manual_equals_automatic(name):
    for case in cases(name):
        check_gradient(case, case.cotangent())


@pytest.mark.parametrize("name", NAMES)
def test_each_output_alone(name):
    for case in cases(name):
        leaves, tree = jax.tree.flatten(case.cotangent())
        if len(leaves) == 1:
            return  # that is the test above
        for index in range(len(leaves)):
            alone = [g if i == index else 0 * g for i, g in enumerate(leaves)]
            check_gradient(case, jax.tree.unflatten(tree, alone))


@pytest.mark.parametrize("name", a_third(PLAIN, 2))
def test_between_one_sided_differences(name):
    """A smooth function has one slope; at a kink of a convex one there is a range.

    With cotangents of one sign, all our kinks are those of convex functions.
    """
    for case in cases(name):
        left, right, manual, rounding = _slopes(case)
        slack = 1e-5 * max(abs(left), abs(right)) + rounding
        low, high = min(left, right) - slack, max(left, right) + slack
        assert low <= manual <= high, (case.name, left, manual, right)


def _slopes(case, step=1e-6):
    cotangent = jax.tree.map(np.abs, case.cotangent())
    direction = case.direction()

    def along(t):
        moved = [x + t * d for x, d in zip(case.floats, direction, strict=True)]
        output = jax.tree.leaves(case.manual(*moved))
        return sum(jnp.vdot(g, y) for g, y in zip(jax.tree.leaves(cotangent), output))

    compiled = jax.jit(along)
    before, here, after = (float(compiled(t)) for t in (-step, 0.0, step))
    _, manual = pullback(case.manual, case.floats, cotangent)
    slope = sum(np.vdot(m, d) for m, d in zip(manual, direction, strict=True))
    rounding = 1e-14 * abs(here) / step + 1e-9
    return map(float, ((here - before) / step, (after - here) / step, slope, rounding))


@pytest.mark.parametrize("name", a_third(NAMES, 2))
def test_linear_in_the_cotangent(name):
    for case in cases(name):
        g, h = case.cotangent(1), case.cotangent(2)
        mixed = jax.tree.map(lambda a, b: 3 * a - 7.3 * b, g, h)
        parts = [pullback(case.manual, case.floats, c)[1] for c in (g, h)]
        expected = jax.tree.map(
            lambda a, b: 3 * np.asarray(a) - 7.3 * np.asarray(b), *parts
        )
        assert_near(pullback(case.manual, case.floats, mixed)[1], expected)
        zero = jax.tree.map(np.zeros_like, g)
        for leaf in pullback(case.manual, case.floats, zero)[1]:
            assert not np.any(leaf), case.name


@pytest.mark.parametrize("name", a_third(NAMES, 0))
def test_second_order(name):
    """The derivative of <v, vjp(x)(g)> by x and by g."""
    for case in cases(name):
        found = [_second_order(case, f) for f in (case.manual, case.automatic)]
        for got, expected in zip(*map(jax.tree.leaves, found), strict=True):
            # relative to all of them, for some are 0 and rounding is not
            scale = max(abs(leaf).max(initial=0) for leaf in jax.tree.leaves(found[1]))
            error = abs(got - expected).max(initial=0)
            assert error <= 1e-8 * scale + 1e-13, (case.name, error, scale)


def _second_order(case, f):
    direction = case.direction()

    def contracted(primals, cotangent):
        _, pull = jax.vjp(f, *primals)
        return sum(jnp.vdot(a, d) for a, d in zip(pull(cotangent), direction))

    gradient = jax.jit(jax.grad(contracted, argnums=(0, 1)))
    return jax.device_get(gradient(case.floats, case.cotangent()))


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_of_1_001_is_caught(name):
    """The matrix itself is tried: each argument's cotangent, slightly too large."""
    op = RULES[name]
    for index in range(len(next(cases(name)).positions)):
        mutant = _scaled(op, index)
        with pytest.raises(AssertionError):
            _check_all(name, mutant)


def _check_all(name, op):
    for case in cases(name, op):
        check_gradient(case, case.cotangent())


def _scaled(op, index):
    def backward(*args):
        cotangents = list(op.backward(*args))
        at = [i for i, c in enumerate(cotangents) if c is not None][index]
        cotangents[at] = 1.001 * cotangents[at]
        return tuple(cotangents)

    parts = {"static": op.static, "cases": op.cases, "surrogate": op.surrogate}
    return rule(op.reference, op.forward, backward, **parts)
