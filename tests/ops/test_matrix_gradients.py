"""Every rule over all its cases: the value and the gradient are right."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import (
    LINEAR,
    NAMES,
    PLAIN,
    RULES,
    assert_near,
    cases,
    pullback,
    together,
)
from shares import a_share

import funcnn as fn
from funcnn import rule
from funcnn.rules import Pullback

STEP = 1e-6  # of the differences


def first_order(name, op=None):
    """Each case, with all that this file compares of it."""
    known = list(cases(name, op))
    found = together(
        [_of_first_order(case) for case in known],
        [(case.floats, _cotangents(case)) for case in known],
    )
    return list(zip(known, found, strict=True))


def _cotangents(case):
    """Two, a mixture of them, zero, and the first for each of the outputs alone."""
    g, h = case.cotangent(1), case.cotangent(2)
    leaves, tree = jax.tree.flatten(g)
    alone = [
        tree.unflatten(g if i == j else 0 * g for j, g in enumerate(leaves))
        for i in range(len(leaves))
    ]
    mixed = jax.tree.map(lambda a, b: 3 * a - 7.3 * b, g, h)
    zero = jax.tree.map(np.zeros_like, g)
    return {"g": g, "h": h, "mixed": mixed, "zero": zero, "alone": alone}


def _of_first_order(case):
    def run(floats, cotangents):
        forward, manual = jax.vjp(case.manual, *floats)
        automatic = jax.vjp(case.automatic, *floats)[1]
        alone = cotangents["alone"] if len(cotangents["alone"]) > 1 else ()
        return {
            "value": case.manual(*floats),
            "expected": case.at(case.op.reference)(*floats),
            "forward": forward,
            "manual": {
                kind: manual(cotangents[kind]) for kind in ("g", "h", "mixed", "zero")
            },
            "automatic": automatic(cotangents["g"]),
            "alone": [(manual(g), automatic(g)) for g in alone],
        }

    return run


@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient(name):
    results = first_order(name)
    for case, found in results:
        where = case.name
        assert_near(found["value"], found["expected"], where=f"{where}, value")
        assert_near(found["forward"], found["value"], 1e-15, f"{where}, forward")
        gradient = found["manual"]["g"]
        assert_near(gradient, found["automatic"], where=f"{where}, gradient")
        for number, (manual, automatic) in enumerate(found["alone"]):
            assert_near(manual, automatic, where=f"{where}, output {number} alone")
        for leaf in found["manual"]["zero"]:
            assert not np.any(leaf), f"{where}, cotangent of zero"
        if name in LINEAR:
            _check_linear(found["manual"], where)
    _check_that_a_factor_of_1_001_is_caught(results)


def _check_linear(manual, where):
    expected = jax.tree.map(lambda a, b: 3 * a - 7.3 * b, manual["g"], manual["h"])
    assert_near(manual["mixed"], expected, where=f"{where}, mixed cotangents")


def _check_that_a_factor_of_1_001_is_caught(results):
    """The comparison itself is tried: each argument's cotangent, a bit too large."""
    for index in _with_a_cotangent(results[0][0]):
        assert any(_notices(found, index) for _, found in results), index


def _with_a_cotangent(case):
    """The floats whose cotangent is not None, which declares it to be zero."""
    parameters = inspect.signature(case.op.reference).parameters
    dynamic = [i for i, p in enumerate(parameters) if p not in case.op.static]
    statics = [case.args[i] for i in range(len(parameters)) if i not in dynamic]

    def cotangents(*floats):
        output, saved = case.at(case.op.forward)(*floats)
        return tuple(case.op.backward(*statics, saved, output))

    given = jax.eval_shape(cotangents, *case.floats)
    there = {i for i, cotangent in zip(dynamic, given) if cotangent is not None}
    return [index for index, i in enumerate(case.positions) if i in there]


def _notices(found, index):
    gradient = list(found["manual"]["g"])
    gradient[index] = 1.001 * gradient[index]
    try:
        assert_near(tuple(gradient), found["automatic"])
    except AssertionError:
        return True
    return False


def test_a_wrong_rule_is_caught():
    """All of the above, of a rule with a factor of 1.001 in its code."""
    name = "layer_norm.layer_norm"
    op = RULES[name]

    def backward(*args):
        dx, *others = op.backward(*args)
        return 1.001 * dx, *others

    wrong = rule(op.reference, op.forward, backward, static="eps", cases=op.cases)
    case, found = first_order(name, wrong)[0]
    with pytest.raises(AssertionError, match="leaf 0"):
        assert_near(found["manual"]["g"], found["automatic"], where=case.name)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_plain(name):
    """With a rule of JAX's in it, its automatic derivative would be a manual one."""
    for case in cases(name):
        for program in map(str, _programs(case)):
            assert "custom_jvp_call" not in program, case.name
            assert "custom_vjp_call" not in program, case.name


def _programs(case):
    if isinstance(case.op.surrogate, Pullback):  # plain itself, not as a derivative
        declared = case.op.surrogate.pullback
        back = case.at(lambda *args: declared(*args, case.cotangent()))
        yield jax.make_jaxpr(back)(*case.floats)
    else:
        yield jax.make_jaxpr(case.automatic)(*case.floats)
    yield jax.make_jaxpr(case.at(case.op.reference))(*case.floats)


@pytest.mark.parametrize("name", a_share(NAMES, 9))
def test_no_more_is_saved_than_by_automatic_differentiation(name):
    """A key may be kept: what is drawn from it grows with the other arguments."""
    for case in cases(name, dtype=jnp.float32):
        saved = [fn.saved_bytes(f, *case.floats) for f in (case.manual, case.automatic)]
        keys = [case.args[i] for i in case.arrays if i not in case.positions]
        keys = [k for k in keys if jnp.issubdtype(k.dtype, jax.dtypes.prng_key)]
        key_bytes = sum(jax.random.key_data(k).nbytes for k in keys)
        assert saved[0] <= saved[1] + key_bytes, (case.name, saved)


@pytest.mark.parametrize("name", a_share(PLAIN, 24, 4))
def test_between_one_sided_differences(name):
    """A smooth function has one slope; at a kink of a convex one there is a range.

    With cotangents of one sign, all our kinks are those of convex functions.
    """
    known = list(cases(name))
    inputs = [(jax.tree.map(np.abs, c.cotangent()), c.direction()) for c in known]
    runs = [_slopes(case) for case in known]
    found = together(runs, [(c.floats, *x) for c, x in zip(known, inputs)])
    for case, (left, right, here, manual) in zip(known, found, strict=True):
        rounding = 1e-14 * abs(here) / STEP + 1e-9
        slack = 1e-5 * max(abs(left), abs(right)) + rounding
        low, high = min(left, right) - slack, max(left, right) + slack
        assert low <= manual <= high, (case.name, left, manual, right)


def _slopes(case):
    def run(floats, cotangent, direction):
        def along(t):
            moved = [x + t * d for x, d in zip(floats, direction, strict=True)]
            output = jax.tree.leaves(case.manual(*moved))
            return sum(
                jnp.vdot(g, y) for g, y in zip(jax.tree.leaves(cotangent), output)
            )

        before, here, after = along(-STEP), along(0.0), along(STEP)
        gradient = pullback(case.manual)(floats, cotangent)[1]
        slope = sum(jnp.vdot(m, d) for m, d in zip(gradient, direction, strict=True))
        return (here - before) / STEP, (after - here) / STEP, here, slope

    return run


@pytest.mark.parametrize("name", a_share(NAMES, 36, 5))
def test_second_order(name):
    """The derivative of <v, vjp(x)(g)> by x and by g."""
    known = list(cases(name))
    inputs = [(case.floats, case.cotangent()) for case in known]
    for case, found in zip(known, together([_second_order(c) for c in known], inputs)):
        for got, expected in zip(*map(jax.tree.leaves, found), strict=True):
            # relative to all of them, for some are 0 and rounding is not
            scale = max(abs(leaf).max(initial=0) for leaf in jax.tree.leaves(found[1]))
            error = abs(got - expected).max(initial=0)
            assert error <= 1e-8 * scale + 1e-13, (case.name, error, scale)


def _second_order(case):
    direction = case.direction()

    def gradient(f):
        def contracted(primals, cotangent):
            pulled = pullback(f)(primals, cotangent)[1]
            return sum(jnp.vdot(a, d) for a, d in zip(pulled, direction))

        return jax.grad(contracted, argnums=(0, 1))

    manual, automatic = gradient(case.manual), gradient(case.automatic)
    return lambda *args: (manual(*args), automatic(*args))
