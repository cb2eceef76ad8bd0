"""A rule goes through every transformation of JAX as a plain function would."""

import chex
import jax
import jax.numpy as jnp
import pytest
from rule_examples import no_cases, scaled_sine

import funcnn as fn

XS, WEIGHTS = jnp.linspace(-1, 1, 3), jnp.linspace(1, 2, 3)


def value_and_gradients(op):
    return jax.value_and_grad(op, argnums=(0, 1))


def through_scan(op):
    def scanned(x, weight):
        step = lambda carry, _: (op(carry, weight), None)  # noqa: E731
        return jax.lax.scan(step, x, length=3)[0]

    return scanned


def through_cond(op):
    return lambda x, w: jax.lax.cond(x < w, op, lambda x, w: x, x, w)


TRANSFORMED = {
    "itself": lambda op: value_and_gradients(op),
    "vmap": lambda op: jax.vmap(value_and_gradients(op)),
    "vmap over one argument": lambda op: jax.vmap(
        lambda x, w: value_and_gradients(op)(x, 2.0)
    ),
    "checkpoint": lambda op: value_and_gradients(jax.checkpoint(op)),
    "scan": lambda op: value_and_gradients(through_scan(op)),
    "checkpoint in scan": lambda op: value_and_gradients(
        through_scan(jax.checkpoint(op))
    ),
    "cond": lambda op: value_and_gradients(through_cond(op)),
    "jit inside": lambda op: value_and_gradients(jax.jit(op)),
    "gradient of gradient": lambda op: jax.grad(jax.grad(op), argnums=(0, 1)),
    "jacrev": lambda op: jax.jacrev(op, argnums=(0, 1)),
    "gradient of vmap": lambda op: jax.grad(
        lambda x, w: jax.vmap(op, (0, None))(jnp.stack([x, 2 * x]), w).sum()
    ),
}


@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED)
def test_a_rule_agrees_with_its_reference_through(transformed, request):
    vectors = request.node.callspec.id.startswith("vmap")
    args = (XS, WEIGHTS) if vectors else (XS[0], WEIGHTS[1])
    by_rule = jax.jit(transformed(scaled_sine))(*args)
    automatic = jax.jit(transformed(scaled_sine.reference))(*args)
    chex.assert_trees_all_close(by_rule, automatic, rtol=1e-6)


def test_jit_around_and_no_jit_agree():
    plain = value_and_gradients(scaled_sine)
    args = XS[0], WEIGHTS[0]
    chex.assert_trees_all_close(plain(*args), jax.jit(plain)(*args), rtol=1e-6)


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit, jax.vmap, jax.checkpoint])
def test_forward_mode_is_refused(transform):
    ones = jnp.ones(2)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(transform(lambda x: scaled_sine(x, 2.0)), (ones,), (ones,))


def test_a_second_derivative_differentiates_forward_and_backward():
    # The slope of 3x that this rule declares for x^2 tells whose derivative it is.
    def square(x):
        return x**2

    op = fn.rule(square, lambda x: (x**2, x), lambda x, g: (3 * g * x,), cases=no_cases)
    assert jax.grad(jax.grad(op))(5.0) == 3


def test_no_array_of_the_rule_outlives_the_trace():
    # A rule closes over nothing, so one op serves traces of different shapes.
    for n in (1, 2, 3):
        shape = jax.eval_shape(
            jax.grad(lambda x: scaled_sine(x, 2.0).sum()), jnp.ones(n)
        )
        assert shape.shape == (n,)


def test_saved_types_cost_no_bytes():
    # Beside what `forward` saves, nothing is kept: the arguments' types are static.
    _, pull = jax.vjp(scaled_sine, XS, WEIGHTS[0])
    kept = [leaf.shape for leaf in jax.tree.leaves(pull)]
    assert sorted(kept) == [(), (3,), (3,)]
