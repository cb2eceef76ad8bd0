"""A rule is held against its reference whatever arrays their code brings along."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import funcnn as fn

RIGHT, WRONG = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
X = jnp.array([0.5, -1.5])


def scanned(table, x):
    """`table` is what a loop runs over."""
    start, table = jnp.zeros((), x.dtype), table.astype(x.dtype)
    return lax.scan(lambda c, t: (c + t * x.sum(), None), start, table)[0]


def closed_over(table, x):
    return (jnp.asarray(table, x.dtype) * x.sum()).sum()


def closed_over_in_jit(table, x):
    return jax.jit(lambda x: closed_over(table, x))(x)


def indices(table, x):
    """Integers."""
    numbers = jnp.asarray(table.astype(np.int32))
    return (numbers * x.sum()).sum()


def without_arrays(table, x):
    return x.sum() * float(table.sum())


PAIRS = [
    (scanned, without_arrays),
    (closed_over, without_arrays),
    (closed_over, closed_over),
    (closed_over, scanned),
    (closed_over_in_jit, indices),
    (without_arrays, closed_over),
]


def _of(way, table, reference=without_arrays, **options):
    """The sum of x times that of a table, as a rule consistent in itself."""

    def backward(saved, g):
        return (jnp.full_like(saved, table.sum() * g),)

    return fn.rule(
        lambda x: reference(RIGHT, x),
        lambda x: (way(table, x), x),
        backward,
        cases=lambda normal: [(normal(2),)],
        name="weighted",
        **options,
    )


@pytest.mark.parametrize(("way", "reference"), PAIRS)
def test_arrays_in_the_code_of_a_rule_do_not_hide_its_reference(way, reference):
    right, wrong = (_of(way, table, reference) for table in (RIGHT, WRONG))
    fn.check(right, fast=True).assert_ok()
    (row,) = fn.check(wrong, fast=True).failures
    assert row.verdict == "RULE WRONG"


def test_nor_do_they_under_vmap():
    for table, ok in ((RIGHT, True), (WRONG, False)):
        called = jax.vmap(_of(scanned, table))
        assert fn.audit(called, jnp.stack([X, X + 1]), fast=True).ok == ok


def test_a_declared_surrogate_is_held_too():
    def surrogate(factor):
        return lambda x: factor * closed_over(RIGHT, x)

    right, wrong = (
        _of(scanned, 2 * RIGHT, lambda _, x: scanned(2 * RIGHT, x), surrogate=f)
        for f in (surrogate(2.0), surrogate(3.0))
    )
    rows = fn.check(right, fast=True).rows
    assert {row.verdict for row in rows} == {"SURROGATE"}
    assert not fn.check(wrong, fast=True).ok


def test_a_rule_inside_of_another_is_held_against_its_own_reference():
    inner, other = _of(scanned, WRONG), _of(closed_over, WRONG, reference=closed_over)

    def outer(called):
        return fn.rule(
            lambda x: called(x) if called is other else x.sum() * float(WRONG.sum()),
            lambda x: (inner(x), x),
            lambda x, g: (jnp.full_like(x, WRONG.sum() * g),),
            cases=lambda normal: [(normal(2),)],
            name="outer",
        )

    for called in (None, other):
        failures = fn.audit(outer(called), X, fast=True).failures
        assert "weighted" in [row.rule for row in failures]


def test_where_there_is_no_reference_to_hold_it_against_the_row_says_so():
    op = fn.rule(
        lambda x: jnp.sin(x)[None],
        lambda x: (jnp.sin(x), x),
        lambda x, g: (g * jnp.cos(x),),
        cases=lambda normal: [(normal(3),)],
        name="sine",
    )
    (row,) = fn.audit(op, jnp.arange(3.0), fast=True).rows
    assert row.verdict == "NOT TESTABLE"
    assert row.says.startswith("no reference to hold it against: it is (")
    assert "[3]) -> (" in row.says
    assert "where its reference is (" in row.says
    assert "[1,3])" in row.says
