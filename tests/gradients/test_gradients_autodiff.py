"""`autodiff` takes every rule out of a program, and changes nothing else."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradient_examples import rules_in, tell_tale
from jax import lax
from rule_places import EVERY_PLACE

import funcnn as fn


def body(x):
    """A rule of ours, a `custom_jvp` of JAX's, and something plain."""
    return fn.tanh(x) + jax.nn.relu(x) - jnp.sin(fn.softplus(x))


def with_rule_around(f):
    outer = jax.custom_jvp(lambda x: f(x))
    outer.defjvp(lambda xs, ts: (f(*xs), 100 * ts[0]))
    return outer


# Of the places that bring no rule along; and two more.
NAMES = ["plain", "jit", "jit in jit", "scan", "while_loop", "fori_loop", "cond"]
NAMES += ["fori_loop with traced bounds", "switch", "checkpoint", "checkpoint in scan"]
NAMES += ["scan in checkpoint", "vmap", "vmap of jit", "vmap of scan", "map"]
PLACES = {name: EVERY_PLACE[name] for name in NAMES} | {
    "associative_scan": lambda f: (
        lambda x: lax.associative_scan(
            lambda a, b: f(a) * f(b), jnp.stack([x, 2 * x, 3 * x])
        )[-1]
    ),
    "custom rule": lambda f: with_rule_around(f),
}
X = jnp.float32(1.2)


@pytest.mark.parametrize("placed", PLACES.values(), ids=PLACES)
def test_no_rule_is_left(placed):
    f = placed(body)
    assert rules_in(f, X)
    assert not rules_in(fn.autodiff(f), X)


@pytest.mark.parametrize("placed", PLACES.values(), ids=PLACES)
def test_values_and_forward_mode_derivatives_are_those_of_the_plain_function(placed):
    # The same program, written without any rule.
    plain = placed(
        lambda x: jnp.tanh(x) + jnp.where(x > 0, x, 0) - jnp.sin(jnp.log1p(jnp.exp(x)))
    )
    automatic = fn.autodiff(placed(body))
    if isinstance(plain, jax.custom_jvp):
        plain = plain.fun
    directional = lambda f: jax.jit(lambda x: jax.jvp(f, (x,), (1.0,)))(X)  # noqa: E731
    chex.assert_trees_all_close(
        directional(automatic), directional(plain), rtol=2e-5, atol=1e-6
    )


@pytest.mark.parametrize("placed", PLACES.values(), ids=PLACES)
def test_the_reference_stands_where_forward_stood(placed):
    f = placed(tell_tale)
    thrice = placed(lambda x: 3 * x)
    if isinstance(f, jax.custom_jvp):
        thrice = thrice.fun
    automatic = jax.jit(fn.autodiff(f))(X)
    chex.assert_trees_all_close(automatic, jax.jit(thrice)(X), rtol=1e-6)


def test_reverse_mode_uses_the_reference_s_derivative():
    value, slope = jax.value_and_grad(fn.autodiff(tell_tale))(2.0)
    assert (value, slope) == (6, 3)


def test_no_stale_compiled_function_when_the_rules_ran_first():
    compiled = jax.jit(lambda x: tell_tale(x) + 1)
    assert compiled(1.0) == 3
    assert fn.autodiff(compiled)(1.0) == 4
    assert compiled(1.0) == 3


def test_no_stale_compiled_function_when_autodiff_ran_first():
    compiled = jax.jit(lambda x: tell_tale(x) + 1)
    assert fn.autodiff(compiled)(1.0) == 4
    assert compiled(1.0) == 3
    assert fn.autodiff(compiled)(1.0) == 4


@pytest.mark.parametrize("wrap", [jax.checkpoint, lambda f: jax.jit(jax.vmap(f))])
def test_no_stale_trace_inside_other_transformations(wrap):
    f, ones = wrap(tell_tale), jnp.ones(2)
    values = [f(ones), fn.autodiff(f)(ones), f(ones), fn.autodiff(f)(ones)]
    assert [float(v[0]) for v in values] == [2, 3, 2, 3]


def test_a_compiled_gradient_is_never_stale():
    compiled = jax.jit(tell_tale)
    manual, automatic = jax.grad(compiled), jax.grad(fn.autodiff(compiled))
    assert [float(g(1.0)) for g in (manual, automatic, manual)] == [5, 3, 5]


def test_the_mode_ends_when_the_function_raises():
    def failing(x):
        raise RuntimeError("as it should")

    with pytest.raises(RuntimeError, match="as it should"):
        fn.autodiff(failing)(1.0)
    assert tell_tale(1.0) == 2


@pytest.mark.slow
def test_hessian_and_jacfwd_work_where_a_rule_refuses_them():
    f = lambda x: fn.softmax(x)[0]  # noqa: E731
    x = jnp.array([0.1, 0.7, -0.2])
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jacfwd(f)(x)
    plain = lambda x: jax.nn.softmax(x)[0]  # noqa: E731
    automatic = jax.jit(jax.hessian(fn.autodiff(f)))(x)
    chex.assert_trees_all_close(automatic, jax.hessian(plain)(x), atol=1e-6)
    slopes = jax.jacfwd(fn.autodiff(f))(x)
    chex.assert_trees_all_close(slopes, jax.grad(f)(x), atol=1e-6)


@pytest.mark.parametrize(
    "f", [jax.nn.relu, jax.nn.silu, jax.nn.logsumexp, jax.nn.relu6, jnp.linalg.norm]
)
def test_functions_of_jax_itself_are_stripped_and_keep_their_values(f):
    x = jnp.array([1.0, -2.0])
    assert not rules_in(fn.autodiff(f), x)
    chex.assert_trees_all_close(fn.autodiff(f)(x), f(x), rtol=1e-6)


def test_a_custom_vjp_of_somebody_else_is_stripped():
    @jax.custom_vjp
    def clipped(x):
        return x * x

    clipped.defvjp(lambda x: (x * x, x), lambda x, g: (jnp.clip(g, -1, 1),))
    assert jax.grad(clipped)(3.0) == 1
    assert jax.grad(fn.autodiff(clipped))(3.0) == 6


def test_a_rule_is_called_by_keyword_too():
    def power(x, exponent=2.0, scale=3.0):
        return scale * x**exponent

    def backward(exponent, scale, x, g):
        return (2 * g * scale * exponent * x ** (exponent - 1),)  # twice too large

    op = fn.rule(
        power,
        lambda x, exponent, scale: (power(x, exponent, scale), x),
        backward,
        static=["exponent", "scale"],
        cases=lambda normal: [(normal(3), 2.0, 3.0)],
    )

    def f(x):
        return op(scale=5.0, x=x) + op(x, exponent=3.0)

    expected = jax.grad(lambda x: power(x, scale=5.0) + power(x, 3.0))(X)
    np.testing.assert_allclose(jax.grad(fn.autodiff(f))(X), expected, rtol=1e-6)
    np.testing.assert_allclose(fn.autodiff(f)(X), f(X), rtol=1e-6)


def test_arguments_that_are_no_arrays_are_kept():
    def f(x, *, train, mode="sum", ids=None):
        assert train is True
        assert ids is None
        return getattr(fn.tanh(x), mode)()

    x = np.arange(3.0, dtype=np.float32)
    value = fn.autodiff(f)(x, train=True, mode="mean")
    np.testing.assert_allclose(value, np.tanh(x).mean(), rtol=1e-6)


def test_python_numbers_are_kept_when_they_are_not_differentiated():
    # As static arguments they may be exponents and sizes.
    f = lambda x, n: fn.relu(x).reshape(n)  # noqa: E731
    assert fn.autodiff(f)(jnp.ones(4), 4).shape == (4,)


def test_python_numbers_are_differentiated_under_grad():
    assert jax.grad(fn.autodiff(lambda x: fn.tanh(x)))(0.0) == 1


def test_pytrees_go_in_and_come_out():
    def f(params, batch):
        return {"y": fn.affine(batch[0], params["kernel"]), "rest": (None, batch[1])}

    params, batch = {"kernel": jnp.ones((2, 3))}, (jnp.ones((4, 2)), jnp.arange(4))
    chex.assert_trees_all_equal(fn.autodiff(f)(params, batch), f(params, batch))


def test_typed_keys_go_in_and_come_out():
    def f(key, x):
        key, own = jax.random.split(key)
        return key, fn.dropout(x, own, 0.5)

    key, x = jax.random.key(0), jnp.ones(8)
    (new, y), (automatic_new, automatic_y) = f(key, x), fn.autodiff(f)(key, x)
    chex.assert_trees_all_equal(automatic_y, y)
    assert automatic_new == new


def test_the_result_has_the_name_of_the_function():
    assert fn.autodiff(body).__name__ == "body"
    assert fn.autodiff(body).__doc__ == body.__doc__


def test_autodiff_under_jit_vmap_and_itself():
    automatic = fn.autodiff(fn.autodiff(body))
    xs = jnp.linspace(-1, 1, 4)  # without 0, the kink of JAX's relu
    batched = jax.jit(jax.vmap(jax.grad(automatic)))(xs)
    chex.assert_trees_all_close(batched, jax.vmap(jax.grad(body))(xs), rtol=1e-5)


def test_dtypes_and_weak_types_stay_what_they_were():
    for dtype in ("bfloat16", "float16", "float32"):
        x = jnp.ones((2, 2), dtype)
        assert fn.autodiff(jax.jit(lambda x: fn.gelu(x) * 2.0))(x).dtype == dtype
