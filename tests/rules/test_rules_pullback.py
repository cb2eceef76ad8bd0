"""A gradient that is no function's derivative, declared by a `Pullback`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnn as fn
from funcnn.rules import Pullback


def _signed(x, power, table):
    return x * 2


def _pullback(x, power, table, g):
    return jnp.sign(g) * jnp.abs(g) ** power * (x + 1), None


def make(factor=1.0, pullback=_pullback):
    def forward(x, power, table):
        return x * 2, x

    def backward(power, x, g):
        return factor * jnp.sign(g) * jnp.abs(g) ** power * (x + 1), None

    def cases(normal):
        yield normal(3), 0.5, jnp.arange(2)
        yield normal(2, 2), 1.5, jnp.arange(2)

    return fn.rule(
        _signed,
        forward,
        backward,
        static="power",
        cases=cases,
        surrogate=Pullback(pullback),
    )


def test_what_is_declared_is_a_function_with_that_gradient():
    op = make()
    x, g = jnp.array([1.0, 2.0]), jnp.array([4.0, -9.0])
    for f in (op, op.declared):
        y, pull = jax.vjp(lambda x, f=f: f(x, 0.5, jnp.arange(2)), x)
        assert y.tolist() == [2, 4]
        np.testing.assert_allclose(pull(g)[0], [4, -9])


def test_static_arguments_come_in_their_order():
    parts = (
        lambda a, x, b: a * x,
        lambda a, x, b: (a * x, None),
        lambda a, b, _, g: (b * g,),
    )
    declared = fn.rule(
        *parts,
        static=["b", "a"],
        cases=lambda normal: [(2.0, normal(3), 5.0)],
        surrogate=Pullback(lambda a, x, b, g: (b * g,)),
    ).declared
    assert jax.grad(lambda x: declared(2.0, x, 5.0))(1.0) == 5


def test_without_a_pullback_it_is_the_surrogate_or_the_reference():
    parts = jnp.sin, lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),)
    plain = fn.rule(*parts, cases=lambda normal: [(normal(3),)])
    other = fn.rule(*parts, cases=lambda normal: [(normal(3),)], surrogate=jnp.tanh)
    assert plain.declared is jnp.sin
    assert other.declared is jnp.tanh


def test_a_rule_that_does_as_it_declares_is_a_surrogate():
    report = fn.check(make())
    report.assert_ok()
    assert {row.verdict for row in report.rows} == {"SURROGATE"}
    assert {row.linear for row in report.rows} == {None}  # which nobody claims


@pytest.mark.parametrize("factor", [1.001, -1.0, 0.0])
def test_a_rule_that_does_not_is_wrong(factor):
    report = fn.check(make(factor), fast=True)
    assert not report.ok
    assert "RULE WRONG" in {row.verdict for row in report.rows}


def test_in_a_program_it_is_held_against_what_it_declares():
    op = make()

    @jax.jit
    def loss(x):
        return (op(x, 0.5, jnp.arange(2)) ** 2).sum()

    fn.audit(loss, jnp.array([0.3, -0.7])).assert_ok()
    wrong = make(1.1)
    report = fn.audit(lambda x: wrong(x, 0.5, jnp.arange(2)), jnp.array([0.3, -0.7]))
    assert not report.ok


def test_autodiff_goes_by_the_reference():
    op = make()
    plain = fn.autodiff(lambda x: op(x, 0.5, jnp.arange(2)).sum())
    assert jax.grad(plain)(jnp.ones(2)).tolist() == [2, 2]


def test_it_has_no_forward_mode():
    op = make()
    forward = fn.forward_mode(lambda x: op(x, 0.5, jnp.arange(2)))
    with pytest.raises(NotImplementedError, match="signed"):
        jax.jvp(forward, (jnp.ones(2),), (jnp.ones(2),))


def test_a_declared_cotangent_of_a_wrong_shape_is_named():
    op = make(pullback=lambda x, power, table, g: (g[:1], None))
    with pytest.raises(ValueError, match="signed, as declared: argument x"):
        jax.grad(lambda x: op.declared(x, 0.5, jnp.arange(2)).sum())(jnp.ones(2))
