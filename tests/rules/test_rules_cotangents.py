"""Every cotangent that a backward pass gives is checked and cast when it is traced."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rule_examples import no_cases, pull, rule_with_cotangents

import funcnn as fn

X = jnp.arange(1.0, 4.0)
IDS = jnp.arange(3)

# What is wrong: the error, its words, and a backward pass that does it.
WRONG = {
    "shape": (
        ValueError,
        r"argument x: .* shape \(3,\), got \(2,\)",
        lambda x, i, g: (x[:2], None),
    ),
    "scalar for a vector": (
        ValueError,
        r"argument x: .* \(3,\), got \(\)",
        lambda x, i, g: (g, None),
    ),
    "too few": (
        ValueError,
        r"backward returned 1 cotangents, .* x, ids",
        lambda x, i, g: (x,),
    ),
    "too many": (
        ValueError,
        r"backward returned 3 cotangents, .* x, ids",
        lambda x, i, g: (x, None, None),
    ),
    "array": (
        TypeError,
        r"backward must return a tuple .* x, ids; got",
        lambda x, i, g: x,
    ),
    "dict": (
        TypeError,
        r"backward must return a tuple .* x, ids; got dict",
        lambda x, i, g: {"x": x, "ids": None},
    ),
    "nothing": (
        TypeError,
        r"backward must return a tuple .* got NoneType",
        lambda x, i, g: None,
    ),
    "complex": (
        TypeError,
        r"argument x: .* castable to float32, got complex64",
        lambda x, i, g: (x + 1j, None),
    ),
    "integer": (
        TypeError,
        r"argument x: .* castable to float32, got int32",
        lambda x, i, g: (i, None),
    ),
    "boolean": (
        TypeError,
        r"argument x: .* castable to float32, got bool",
        lambda x, i, g: (x > 0, None),
    ),
    "tuple for an array": (
        (ValueError, TypeError),
        r"argument x: its cotangent must .*got",
        lambda x, i, g: ((x, x), None),
    ),
    "no array": (
        (ValueError, TypeError),
        r"argument x: its cotangent must .*got",
        lambda x, i, g: ("x", None),
    ),
    "float for an integer": (
        TypeError,
        r"argument ids is int32\[3\] and has no gradient: .* None, got float32\[3\]",
        lambda x, i, g: (x, x),
    ),
    "integer for an integer": (
        TypeError,
        r"argument ids is int32\[3\] and has no gradient",
        lambda x, i, g: (x, i),
    ),
}

# How a gradient comes to be traced; none of these executes anything.
TRACED = {
    "eval_shape": lambda f: jax.eval_shape(f, X, IDS),
    "jit": lambda f: jax.jit(f).lower(X, IDS),
    "make_jaxpr": lambda f: jax.make_jaxpr(f)(X, IDS),
}


@pytest.mark.parametrize("traced", TRACED.values(), ids=TRACED)
@pytest.mark.parametrize(("error", "words", "cotangents"), WRONG.values(), ids=WRONG)
def test_a_wrong_cotangent_is_an_error_when_traced(error, words, cotangents, traced):
    op = rule_with_cotangents(cotangents)
    with pytest.raises(error, match=rf"(?s)gathered: {words}"):
        traced(jax.grad(op))


@pytest.mark.parametrize(("error", "words", "cotangents"), WRONG.values(), ids=WRONG)
def test_a_wrong_cotangent_goes_unseen_by_a_call_that_is_not_differentiated(
    error, words, cotangents
):
    jax.eval_shape(rule_with_cotangents(cotangents), X, IDS)


@pytest.mark.parametrize("key", [jax.random.key, jax.random.PRNGKey])
def test_a_cotangent_for_a_key_is_an_error(key):
    def drawn(x, key):
        return x

    op = fn.rule(drawn, lambda x, k: (x, k), lambda k, g: (g, g), cases=no_cases)
    with pytest.raises(TypeError, match=r"drawn: argument key is .* has no gradient"):
        jax.eval_shape(jax.grad(op), 1.0, key(0))


@pytest.mark.parametrize("key", [jax.random.key, jax.random.PRNGKey])
def test_none_for_a_key_is_right(key):
    def drawn(x, key):
        return x

    op = fn.rule(drawn, lambda x, k: (x, k), lambda k, g: (g, None), cases=no_cases)
    assert jax.grad(op)(1.0, key(0)) == 1


def test_a_key_may_be_differentiated_through_a_pytree():
    def drawn(arguments):
        return arguments["x"]

    op = fn.rule(
        drawn,
        lambda a: (a["x"], a["key"]),
        lambda key, g: ({"x": 2 * g, "key": None},),
        cases=no_cases,
    )
    key = jax.random.key(0)
    gradient = jax.grad(lambda x, key: op({"x": x, "key": key}))(1.0, key)
    assert gradient == 2


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("given", ["bfloat16", "float32"])
def test_a_cotangent_is_cast_to_the_dtype_of_its_argument(dtype, given):
    op = rule_with_cotangents(lambda x, ids, g: ((g * ids).astype(given), None))
    gradient = jax.grad(op)(X.astype(dtype), IDS)
    assert gradient.dtype == dtype
    chex.assert_trees_all_equal(gradient, jnp.arange(3, dtype=dtype))


def test_a_real_cotangent_is_right_for_a_complex_argument():
    def modulus(z):
        return jnp.abs(z)

    op = fn.rule(modulus, lambda z: (jnp.abs(z), ()), lambda s, g: (g,), cases=no_cases)
    gradient = jax.grad(op)(1 + 1j)
    assert gradient.dtype == jnp.complex64
    assert gradient == 1


def test_a_numpy_cotangent_is_right():
    op = rule_with_cotangents(lambda x, ids, g: (np.ones(3, np.float32), None))
    chex.assert_trees_all_equal(jax.grad(op)(X, IDS), jnp.ones(3))


def test_a_list_of_cotangents_is_right():
    op = rule_with_cotangents(lambda x, ids, g: [g * ids, None])
    chex.assert_trees_all_equal(jax.grad(op)(X, IDS), IDS.astype(jnp.float32))


def test_none_for_a_float_argument_is_zero():
    op = rule_with_cotangents(lambda x, ids, g: (None, None))
    chex.assert_trees_all_equal(jax.grad(op)(X, IDS), jnp.zeros(3))


@pytest.mark.parametrize("zero", [None, np.zeros(3, jax.dtypes.float0)])
def test_an_integer_argument_gets_float0_whether_none_or_float0_is_given(zero):
    op = rule_with_cotangents(lambda x, ids, g: (g * ids, zero))
    _, for_ids = pull(op, X, IDS)
    assert for_ids.dtype == jax.dtypes.float0
    assert for_ids.shape == IDS.shape


def make_with_pytree(weight_cotangent):
    def with_pytree(params, x):
        return (params["weight"] * x).sum() * params["count"]

    def forward(params, x):
        return with_pytree(params, x), (params, x)

    def backward(saved, g):
        params, x = saved
        own, g = weight_cotangent(params, x), g * params["count"]
        return {"weight": own, "count": None}, g * params["weight"]

    return fn.rule(with_pytree, forward, backward, cases=no_cases)


def test_a_pytree_argument_with_a_float_and_an_integer_leaf():
    op = make_with_pytree(lambda params, x: x * params["count"])
    params = {"weight": 2 * X, "count": jnp.array(3)}
    for_params, for_x = pull(op, params, X)
    chex.assert_trees_all_equal(for_params["weight"], 3 * X)
    assert for_params["count"].dtype == jax.dtypes.float0
    chex.assert_trees_all_equal(for_x, 6 * X)


def test_none_for_a_leaf_of_a_pytree_is_zero():
    op = make_with_pytree(lambda params, x: None)
    for_params, _ = pull(op, {"weight": X, "count": jnp.array(1)}, X)
    chex.assert_trees_all_equal(for_params["weight"], jnp.zeros(3))


def test_none_for_a_whole_pytree_is_zero():
    def ignored(params):
        return jnp.zeros(())

    op = fn.rule(
        ignored, lambda p: (jnp.zeros(()), ()), lambda s, g: (None,), cases=no_cases
    )
    gradient = jax.grad(op)({"a": X, "b": (X,)})
    chex.assert_trees_all_equal(gradient, {"a": jnp.zeros(3), "b": (jnp.zeros(3),)})


def test_a_wrong_shape_in_a_pytree_names_the_argument():
    op = make_with_pytree(lambda params, x: x[:2])
    params = {"weight": X, "count": jnp.array(1)}
    with pytest.raises(ValueError, match=r"with_pytree: argument params: .* shape"):
        jax.eval_shape(lambda *args: pull(op, *args), params, X)


def test_a_wrong_structure_of_a_pytree_names_the_argument():
    def flat(params):
        return params["weight"].sum()

    op = fn.rule(
        flat,
        lambda p: (p["weight"].sum(), p),
        lambda p, g: (p["weight"],),
        cases=no_cases,
    )
    with pytest.raises(ValueError, match=r"flat: argument params: .* structure"):
        jax.eval_shape(jax.grad(op), {"weight": X})


def make_optional():
    def optional(x, bias):
        return x if bias is None else x + bias

    def forward(x, bias):
        return optional(x, bias), bias

    def backward(bias, g):
        return g, None if bias is None else 3 * g

    return fn.rule(optional, forward, backward, cases=no_cases)


def test_an_argument_that_is_none():
    op = make_optional()
    assert jax.grad(op)(1.0, None) == 1
    assert jax.grad(op, argnums=(0, 1))(1.0, 1.0) == (1, 3)
    assert jax.jit(op)(1.0, None) == 1


def test_an_empty_pytree_as_an_argument():
    op = make_optional()
    assert pull(op, jnp.ones(()), None) == (1, None)
