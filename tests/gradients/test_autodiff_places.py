"""The matrix of places for a rule and transformations, each against plain code."""

import chex
import pytest
from gradient_examples import rules_in
from rule_places import (
    EVERY_PLACE,
    FORWARD_PLACES,
    FORWARD_TRANSFORMATIONS,
    INNER_DERIVATIVES,
    NOT_LINEARIZED_PLACES,
    PLACES,
    PLAIN_INNER_DERIVATIVES,
    PLAIN_PLACES,
    TRANSFORMATIONS,
    X,
    plain,
    ruled,
    traced_before,
)
from shares import a_share

import funcnn as fn

NOT_LINEARIZING = [name for name in FORWARD_TRANSFORMATIONS if name != "linearize"]


def assert_same(f, expected):
    chex.assert_trees_all_close(f(X), expected(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("transformation", a_share(TRANSFORMATIONS, 9, 6))
@pytest.mark.parametrize("place", PLACES)
def test_derivatives_are_those_of_plain_code(place, transformation):
    transformed = TRANSFORMATIONS[transformation]
    automatic = fn.autodiff(PLACES[place](ruled))
    assert_same(transformed(automatic), transformed(PLAIN_PLACES[place](plain)))


@pytest.mark.parametrize("transformation", FORWARD_TRANSFORMATIONS)
@pytest.mark.parametrize("place", FORWARD_PLACES)
def test_forward_derivatives_through_loops_of_unknown_length(place, transformation):
    placed = FORWARD_PLACES[place]
    transformed = FORWARD_TRANSFORMATIONS[transformation]
    automatic = fn.autodiff(placed(ruled))
    assert_same(transformed(automatic), transformed(placed(plain)))


@pytest.mark.parametrize("transformation", NOT_LINEARIZING)
@pytest.mark.parametrize("place", NOT_LINEARIZED_PLACES)
def test_derivatives_through_a_custom_vmap_and_its_rule(place, transformation):
    placed = NOT_LINEARIZED_PLACES[place]
    transformed = FORWARD_TRANSFORMATIONS[transformation]
    automatic = fn.autodiff(placed(ruled))
    assert_same(transformed(automatic), transformed(placed(plain)))


@pytest.mark.slow
@pytest.mark.parametrize("transformation", ["grad", "jit of grad", "jvp", "hessian"])
@pytest.mark.parametrize("inner", INNER_DERIVATIVES)
def test_derivatives_inside_the_program_are_automatic_too(inner, transformation):
    transformed = TRANSFORMATIONS[transformation]
    automatic = fn.autodiff(INNER_DERIVATIVES[inner](ruled))
    expected = PLAIN_INNER_DERIVATIVES[inner](plain)
    assert_same(automatic, expected)
    assert_same(transformed(automatic), transformed(expected))


@pytest.mark.slow
@pytest.mark.parametrize("transformation", ["jit of grad", "jvp", "hessian"])
@pytest.mark.parametrize("place", PLACES)
def test_rules_in_programs_traced_before(place, transformation):
    # Here no function is called: only the program's text can be rewritten.
    transformed = TRANSFORMATIONS[transformation]
    f = traced_before(PLACES[place](ruled))
    expected = PLAIN_PLACES[place](plain)
    assert rules_in(f, X)
    assert not rules_in(fn.autodiff(f), X)
    assert_same(transformed(fn.autodiff(f)), transformed(expected))


@pytest.mark.parametrize("place", EVERY_PLACE)
def test_no_rule_is_left(place):
    f = EVERY_PLACE[place](ruled)
    assert rules_in(f, X)
    assert not rules_in(fn.autodiff(f), X)


@pytest.mark.parametrize("place", EVERY_PLACE)
def test_what_was_traced_with_rules_is_traced_again_without(place):
    # One function object throughout, so that every cache of JAX's may hold it.
    f = EVERY_PLACE[place](ruled)
    automatic = fn.autodiff(f)
    for _ in range(2):
        assert rules_in(f, X)
        assert not rules_in(automatic, X)
