"""The smallest input that shows a failure."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradient_examples import no_cases, sine_rule

import funcnn as fn
from funcnn.gradients.checker._examine import Depth, examine
from funcnn.gradients.checker._occurrence import occurrences
from funcnn.gradients.checker._shrink import smallest
from funcnn.gradients.checker._shrink_values import simpler, text_of

# compiles many programs, each for one question
pytestmark = pytest.mark.slow

FEW = Depth(snapped=4, seconds=3.0, second_order=False)


def drawn(*shape):
    return jnp.asarray(np.random.default_rng(7).normal(size=shape), jnp.float32)


def first_finding(f, *arrays):
    (occurrence,) = occurrences(f, list(arrays), {}).occurrences
    return occurrence, examine(occurrence, FEW).worst


def shrunk(f, *arrays):
    return smallest(*first_finding(f, *arrays))


def rule(reference, backward):
    return fn.rule(reference, lambda *x: (reference(*x), x), backward, cases=no_cases)


def product(x, w):
    return x @ w


wrong_product = rule(product, lambda s, g: (g @ s[1].T, 1.001 * s[0].T @ g))


def values_of(lines):
    """The pasted arguments, by name."""
    names = {"jnp": jnp, "jax": jax}
    exec("\n".join(lines), names)
    return {k: v for k, v in names.items() if k not in ("jnp", "jax", "__builtins__")}


def test_shapes_and_values_become_small():
    found = shrunk(wrong_product, drawn(5, 7), drawn(7, 3))
    assert found.arguments == ("x = jnp.array([[1.]])", "w = jnp.array([[0.]])")
    assert found.cotangent == ("jnp.array([[1.]])",)
    assert (found.argument, found.entry) == ("w", (0, 0))
    np.testing.assert_allclose([found.manual, found.automatic], [1.001, 1])
    assert str(found).splitlines() == [
        *found.arguments,
        "cotangent = jnp.array([[1.]])",
        "RULE WRONG: d/d w[0, 0] is 1.001 by the rule, automatic 1, numerical 1",
    ]


def test_what_is_pasted_shows_the_failure():
    found = shrunk(wrong_product, drawn(5, 7), drawn(7, 3))
    arrays = values_of([*found.arguments, f"cotangent = {found.cotangent[0]}"])
    cotangent = arrays.pop("cotangent")
    by_rule = jax.vjp(wrong_product, *arrays.values())[1](cotangent)[1]
    plain = jax.vjp(product, *arrays.values())[1](cotangent)[1]
    np.testing.assert_allclose(by_rule[found.entry], found.manual, rtol=1e-6)
    np.testing.assert_allclose(plain[found.entry], found.automatic, rtol=1e-6)


def test_a_rule_inside_of_jit_and_scan_is_called_by_itself():
    def f(x, w):
        step = lambda c, _: (wrong_product(c, w), None)  # noqa: E731
        return jax.jit(lambda x: jax.lax.scan(step, x, None, 3)[0])(x)

    found = shrunk(f, drawn(5, 7), drawn(7, 7))
    assert found.arguments == ("x = jnp.array([[1.]])", "w = jnp.array([[0.]])")


def test_axes_that_are_needed_stay():
    def mean(x):
        return x.mean(0)

    def backward(saved, g):
        (x,) = saved
        return (jnp.broadcast_to(g, x.shape) / x.shape[1],)

    found = shrunk(rule(mean, backward), drawn(4, 6))
    shape = values_of(found.arguments)["x"].shape
    assert sorted(shape) == [1, 2]


def test_one_entry_far_out_is_found_and_made_round():
    def backward(saved, g):
        (x,) = saved
        slope = 1 - jnp.tanh(x) ** 2
        return (jnp.where(jnp.abs(x) > 6.5, 0.5, slope) * g,)

    def tanh(x):
        return jnp.tanh(x)

    found = shrunk(rule(tanh, backward), drawn(4, 5))
    (x,) = values_of(found.arguments).values()
    assert x.shape == (1, 1)
    assert 6.5 < abs(x.item()) <= 100
    assert x.item() == round(x.item())


def test_integers_become_small():
    def rows(table, ids):
        return table[ids]

    def backward(saved, g):
        table, ids = saved
        return jnp.zeros_like(table).at[ids].set(g), None

    found = shrunk(rule(rows, backward), drawn(10, 4), jnp.array([3, 1, 3, 7]))
    assert found.arguments[1] == "ids = jnp.array([0, 0])"
    assert (found.manual, found.automatic) == (1, 2)


def test_statics_and_pytrees_are_called_as_they_were():
    @functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
    def sums(tree, axis):
        return jnp.cumsum(tree["x"], axis)

    sums.defvjp(
        lambda tree, axis: (sums(tree, axis), None),
        lambda axis, _, g: ({"x": jnp.cumsum(g, axis)},),
    )
    found = shrunk(lambda x: sums({"x": x}, -1), drawn(4, 5))
    assert found.arguments == ("tree_x = jnp.array([[0., 0.]])", "axis = -1")


def test_the_cotangent_shows_a_rule_that_takes_its_size():
    def sine(x):
        return jnp.sin(x)

    found = shrunk(rule(sine, lambda s, g: (jnp.cos(s[0]) * jnp.abs(g),)), drawn(4, 5))
    cotangent = values_of([f"g = {found.cotangent[0]}"])["g"]
    assert cotangent.size == 1
    assert cotangent.item() < 0


def test_half_precision_keeps_its_dtype():
    wrong = rule(lambda x: x * x, lambda s, g: (3 * s[0] * g,))
    found = shrunk(wrong, drawn(4, 5).astype(jnp.bfloat16))
    assert found.arguments == ("x = jnp.array([[1.]], jnp.bfloat16)",)


def test_another_value_when_differentiated():
    wrong = fn.rule(
        lambda x: x * x,
        lambda x: (1.25 * x * x, x),
        lambda x, g: (2 * x * g,),
        cases=no_cases,
    )
    found = shrunk(wrong, drawn(4, 5))
    assert found.argument == "output"
    assert str(found).splitlines() == [
        "x = jnp.array([[1.]])",
        "RULE WRONG: output[0, 0] is 1.25 by the rule, without it 1",
    ]


def test_both_derivatives_wrong():
    def stopped(x):
        return x * jax.lax.stop_gradient(x)

    found = shrunk(rule(stopped, lambda s, g: (s[0] * g,)), drawn(4, 5))
    assert found.verdict == "BOTH WRONG"
    assert (found.manual, found.automatic, found.numerical) == (1, 1, "2")


def test_under_vmap_it_is_left_alone():
    f = jax.vmap(wrong_product, (0, None))
    occurrence, finding = first_finding(f, drawn(3, 5, 7), drawn(7, 3))
    assert finding.verdict == "RULE WRONG"
    assert smallest(occurrence, finding) is None


def test_what_passes_has_no_smallest_input():
    occurrence, finding = first_finding(wrong_product, drawn(5, 7), drawn(7, 3))
    assert smallest(occurrence, finding._replace(verdict="OK")) is None
    # of the other argument nothing is wrong
    assert smallest(occurrence, finding._replace(argument="x")) is None


def test_it_never_raises():
    occurrence, finding = first_finding(sine_rule(1.01), drawn(3), jnp.float32(2.0))
    assert smallest(occurrence, finding) is not None
    assert smallest(occurrence, finding._replace(point=None)) is None


def test_a_rule_that_takes_one_shape_only_is_shown_in_it():
    def fixed(x):
        return x.reshape(3, 4) ** 2

    found = shrunk(rule(fixed, lambda s, g: (3 * s[0] * g.reshape(-1),)), drawn(12))
    assert values_of(found.arguments)["x"].shape == (12,)


def test_large_inputs_that_cannot_be_made_small_are_not_written():
    def fixed(x):
        return x.reshape(30, 40) ** 2

    wrong = rule(fixed, lambda s, g: (3 * s[0] * g.reshape(-1),))
    assert shrunk(wrong, drawn(1200)) is None


def test_the_budget_holds():
    occurrence, finding = first_finding(wrong_product, drawn(300, 400), drawn(400, 200))
    begun = time.monotonic()
    assert smallest(occurrence, finding) is not None
    assert time.monotonic() - begun < 10  # 2 seconds, and what was begun


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.float32([[1, 0.5], [-2, 0]]), "jnp.array([[1., 0.5], [-2., 0.]])"),
        (np.int32([10, 2]), "jnp.array([10, 2])"),
        (np.float64(3), "jnp.array(3., jnp.float64)"),
        (np.bool_([True, False]), "jnp.array([True, False])"),
        (np.float32([np.nan, -np.inf]), "jnp.array([jnp.nan, -jnp.inf])"),
        (np.zeros((0, 3), np.float32), "jnp.zeros((0, 3), jnp.float32)"),
        (np.ones((9, 9), np.float32), "jnp.full((9, 9), 1.)"),
    ],
)
def test_arrays_as_text(array, text):
    assert text_of(array) == text
    with jax.enable_x64(True):
        again = values_of([f"x = {text}"])["x"]
    np.testing.assert_array_equal(again, array)
    assert again.dtype.kind == array.dtype.kind


def test_every_simpler_array_is_another():
    x = np.float32([[12.34, -0.5], [1, 0]])
    given = list(simpler(x))
    np.testing.assert_array_equal(given[0], np.zeros((2, 2)))
    assert not any(np.array_equal(x, other) for other in given)
    assert list(simpler(np.zeros(3))) == []


def test_an_array_of_many_numbers_is_not_written():
    assert text_of(np.zeros(65, np.int32)) == "jnp.full((65,), 0)"
    with pytest.raises(ValueError, match="65 entries"):
        text_of(np.arange(65))
