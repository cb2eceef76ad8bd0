"""How `autodiff` meets rules: calls, caches, threads, and what it cannot see."""

import threading

import chex
import jax
import jax.extend as jex
import jax.numpy as jnp
import pytest
from gradient_examples import rules_in, tell_tale
from rule_places import X, ours, plain, reverse, ruled, traced_before

import funcnn as fn
from funcnn.gradients._programs import rewritten


def test_a_closed_over_value_that_is_differentiated():
    def outer(f):
        return lambda x: fn.autodiff(lambda y: f(y) * x)(x)

    expected = jax.grad(lambda x: plain(x) * x)(X)
    chex.assert_trees_all_close(jax.grad(outer(ruled))(X), expected, rtol=1e-6)
    chex.assert_trees_all_close(jax.jit(jax.grad(outer(ruled)))(X), expected, rtol=1e-6)
    _, slope = jax.jvp(outer(ruled), (X,), (1.0,))
    chex.assert_trees_all_close(slope, expected, rtol=1e-6)


def test_inside_a_derivative_of_a_program_with_rules():
    # The rules outside of the function that autodiff is given are used as ever.
    def f(x):
        return tell_tale(fn.autodiff(tell_tale)(x))

    assert jax.grad(f)(1.0) == 5 * 3


def test_a_program_traced_with_a_rule_of_ours_and_differentiated_inside():
    f = traced_before(ours)
    with pytest.raises(fn.gradients.ConsumedRuleError, match=r"ours.*traced"):
        fn.autodiff(jax.grad(f))(X)
    # and nothing of the attempt is kept
    assert jax.grad(f)(X) == 50
    chex.assert_trees_all_close(jax.grad(fn.autodiff(f))(X), jnp.cos(X), rtol=1e-6)


def test_a_method_of_a_rule_and_of_a_decorated_rule():
    @jax.custom_vjp
    @jax.custom_jvp
    def both(x):
        return jnp.sin(x)

    both.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (70 * g,))
    both.__wrapped__.defjvp(lambda xs, ts: (jnp.sin(*xs), 90 * ts[0]))
    assert not rules_in(fn.autodiff(both), X)
    chex.assert_trees_all_close(jax.grad(fn.autodiff(both))(X), jnp.cos(X), rtol=1e-6)


def test_a_custom_gradient_a_root_and_a_linear_solve():
    @jax.custom_gradient
    def square(x):
        return x * x, lambda g: 70 * g

    def root(x):
        solve = lambda f, guess: jax.lax.fori_loop(  # noqa: E731
            0, 9, lambda _, y: y - f(y) / (2 * y), guess
        )
        return jax.lax.custom_root(
            lambda y: y * y - square(x), x + 1, solve, lambda g, y: y / g(1.0)
        )

    def solution(x):
        return jnp.linalg.solve(square(x) * jnp.eye(2), jnp.ones(2))[0]

    slope = jax.grad(fn.autodiff(root))(X)
    chex.assert_trees_all_close(slope, jnp.float32(1), rtol=1e-5)
    slope = jax.grad(fn.autodiff(solution))(X)
    chex.assert_trees_all_close(slope, -2 / X**3, rtol=1e-5)


def test_an_eager_call_compiles_once():
    traces = []

    @jax.jit
    def f(x):
        traces.append(x)
        return ruled(x)

    automatic = fn.autodiff(f)
    automatic(X)
    misses = f._cache_size() if hasattr(f, "_cache_size") else None
    for _ in range(3):
        automatic(X)
    assert len(traces) == 1
    assert misses is None or f._cache_size() == misses


def test_a_program_traced_before_is_rewritten_once():
    inner = jax.make_jaxpr(jax.jit(ruled))(X)
    programs = [
        jax.make_jaxpr(fn.autodiff(lambda x: jex.core.jaxpr_as_fun(inner)(x)))(X)
        for _ in range(2)
    ]
    first, second = (p.eqns[0].params["jaxpr"] for p in programs)
    assert first is second


def test_one_program_may_stand_in_many_places():
    program = jax.make_jaxpr(lambda x: jnp.sin(jnp.sin(x)) + jnp.sin(x))(X)
    instead = jax.make_jaxpr(lambda x: x * x + 1)(X)

    def replace(equation):
        return instead if equation.primitive.name == "sin" else None

    (value,) = jex.core.jaxpr_as_fun(rewritten(program, replace))(jnp.float32(2))
    assert value == (5 * 5 + 1) + 5


def test_the_classes_of_rules_are_put_back():
    classes = [type(reverse), jax.custom_vjp, jax.custom_jvp]
    before = [vars(c)["__call__"] for c in classes]

    def failing(x):
        assert [vars(c)["__call__"] for c in classes] != before
        raise RuntimeError("as it should")

    with pytest.raises(RuntimeError, match="as it should"):
        fn.autodiff(fn.autodiff(failing))(X)
    assert [vars(c)["__call__"] for c in classes] == before


def test_other_threads_keep_their_rules():
    slopes = []

    def f(x):
        thread = threading.Thread(
            target=lambda: slopes.append(jax.grad(lambda x: reverse(x) + ours(x))(1.0))
        )
        thread.start()
        thread.join()
        return reverse(x)

    assert jax.grad(fn.autodiff(f))(1.0) == 2
    assert slopes == [120]
