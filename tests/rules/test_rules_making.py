"""What `funcnn.rule` makes, what it keeps, and what it refuses to make."""

import chex
import jax
import jax.numpy as jnp
import pytest
from rule_examples import no_cases, scaled_sine

import funcnn as fn


def identity(x):
    return x


def identity_forward(x):
    return x, ()


def identity_backward(saved, g):
    return (g,)


def make_identity(reference=identity, forward=identity_forward, **options):
    return fn.rule(reference, forward, identity_backward, cases=no_cases, **options)


def power(x, exponent):
    return x**exponent


def power_forward(x, exponent):
    return x**exponent, x


def power_backward(exponent, x, g):
    return (g * exponent * x ** (exponent - 1),)


def make_power(**options):
    return fn.rule(power, power_forward, power_backward, cases=no_cases, **options)


def plus_two_ways(x):
    return x + 1


# The reference adds 1 and the forward pass 2: so a result tells which of them ran.
tell_tale = fn.rule(
    plus_two_ways, lambda x: (x + 2, ()), lambda saved, g: (g,), cases=no_cases
)


def test_result_is_a_custom_vjp_function():
    assert isinstance(scaled_sine, jax.custom_vjp)


def test_result_has_the_name_and_the_docstring_of_the_reference():
    def documented(x):
        """Of the reference."""
        return x

    op = make_identity(documented)
    assert op.__name__ == "documented"
    assert op.__doc__ == "Of the reference."


def test_the_parts_are_kept_on_the_result():
    op = make_power(static="exponent", surrogate=identity)
    assert op.reference is power
    assert op.forward is power_forward
    assert op.backward is power_backward
    assert op.cases is no_cases
    assert op.surrogate is identity
    assert op.static == ("exponent",)


def test_surrogate_and_static_are_empty_unless_given():
    assert scaled_sine.surrogate is None
    assert scaled_sine.static == ()


def test_cases_are_required():
    with pytest.raises(TypeError, match="cases"):
        fn.rule(identity, identity_forward, identity_backward)


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit, jax.vmap])
def test_an_undifferentiated_call_runs_forward_and_not_the_reference(transform):
    chex.assert_trees_all_equal(transform(tell_tale)(jnp.zeros(2)), jnp.full(2, 2.0))


def test_a_differentiated_call_runs_forward_and_not_the_reference():
    value, gradient = jax.value_and_grad(tell_tale)(0.0)
    assert (value, gradient) == (2, 1)


def test_the_reference_is_not_even_called():
    def reference(x):
        raise AssertionError("the reference must not run")

    op = make_identity(reference)
    assert jax.value_and_grad(op)(3.0) == (3, 1)
    assert jax.jit(op)(3.0) == 3


@pytest.mark.parametrize("static", ["exponent", ["exponent"], ("exponent",)])
def test_static_arguments_come_first_in_backward(static):
    op = make_power(static=static)
    assert jax.grad(op)(3.0, 2) == 6
    assert jax.jit(jax.grad(op), static_argnums=1)(3.0, 3) == 27


def test_static_arguments_in_the_middle_keep_the_arrays_in_order():
    def middle(x, exponent, y):
        return x**exponent * y

    op = fn.rule(
        middle,
        lambda x, exponent, y: (x**exponent * y, (x, y)),
        lambda n, s, g: (g * n * s[0] ** (n - 1) * s[1], g * s[0] ** n),
        static="exponent",
        cases=no_cases,
    )
    assert jax.grad(op, argnums=(0, 2))(3.0, 2, 5.0) == (30, 9)


def test_keyword_arguments_are_resolved_to_their_positions():
    assert make_power(static="exponent")(exponent=2, x=3.0) == 9
    gradient = jax.grad(lambda x: scaled_sine(weight=2.0, x=x))(0.0)
    assert gradient == 2


def test_an_unknown_static_name_is_refused():
    with pytest.raises(TypeError, match=r"power: static 'exponents' is not one of"):
        make_power(static="exponents")


def test_a_keyword_only_parameter_is_refused():
    def keyword_only(x, *, eps):
        return x + eps

    with pytest.raises(TypeError, match=r"keyword_only.*eps must be positional"):
        make_identity(keyword_only)


@pytest.mark.parametrize("kind", ["*args", "**kwargs"])
def test_variable_parameters_are_refused(kind):
    variable = eval(f"lambda x, {kind}: x")
    with pytest.raises(TypeError, match="must be positional"):
        make_identity(variable)


@pytest.mark.parametrize("returned", [3.0, [1.0, 2.0], (1.0, 2.0, 3.0), None])
def test_a_forward_that_gives_no_pair_is_refused(returned):
    op = make_identity(forward=lambda x: returned)
    with pytest.raises(TypeError, match=r"identity: forward must return the pair"):
        jax.eval_shape(op, 1.0)
    with pytest.raises(TypeError, match=r"identity: forward must return the pair"):
        jax.eval_shape(jax.grad(op), 1.0)


def test_errors_call_the_op_by_the_name_that_was_given():
    op = make_identity(forward=lambda x: x, name="shown")
    assert op.__name__ == "shown"
    with pytest.raises(TypeError, match="shown: forward must return"):
        op(1.0)


def test_a_jitted_reference_does_not_rename_the_op():
    op = make_identity(jax.jit(identity), name="shown")
    assert op.__name__ == "shown"
    assert [row.rule for row in fn.check(op, 1.0).rows] == ["shown"]


def test_a_callable_object_can_be_a_reference():
    class Square:
        def __call__(self, x):
            return x**2

    op = fn.rule(
        Square(), lambda x: (x**2, x), lambda x, g: (2 * g * x,), cases=no_cases
    )
    assert op.__name__ == "Square"
    assert jax.grad(op)(3.0) == 6


def test_a_reference_called_reference_gives_its_module_s_name():
    def _reference(x):
        return x

    assert make_identity(_reference).__name__ == __name__
