"""Every rule over all its cases: the gradient stays right under transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import NAMES, a_third, assert_near, cases, pullback


@pytest.mark.slow  # every operation of every shape is compiled by itself
@pytest.mark.parametrize("name", NAMES)
def test_without_jit(name):
    for case in cases(name):
        cotangent = case.cotangent()
        output, pull = jax.vjp(case.manual, *map(jnp.asarray, case.floats))
        eager = output, pull(cotangent)
        compiled = pullback(case.manual, case.floats, cotangent)
        assert_near(eager, compiled, 1e-12, case.name)


@pytest.mark.parametrize("name", a_third(NAMES, 1))
def test_vmap_over_each_argument_and_over_all(name):
    for case in cases(name):
        run = _pullback_of_arrays(case)
        one_by_one = jax.jit(run)
        for mapped in {*((i,) for i in case.arrays), case.arrays}:
            _check_vmap(case, mapped, run, one_by_one)


def _check_vmap(case, mapped, run, one_by_one):
    axes = tuple(0 if i in mapped else None for i in case.arrays)
    arrays = tuple(
        _two_of(case.args[i]) if i in mapped else case.args[i] for i in case.arrays
    )
    cotangents = jax.tree.map(_stack, case.cotangent(1), case.cotangent(2))
    rows = [
        one_by_one(
            tuple(a[row] if axis == 0 else a for a, axis in zip(arrays, axes)),
            jax.tree.map(lambda g, row=row: g[row], cotangents),
        )
        for row in range(2)
    ]
    expected = jax.tree.map(_stack, *rows)
    got, summed = jax.jit(_both_orders(case, axes, run))(arrays, cotangents)
    where = f"{case.name}, vmap over arguments {mapped}"
    assert_near(got, expected, where=where)
    # an argument that all share collects the cotangents of all
    floats = [case.arrays.index(i) for i in case.positions]
    sums = [
        e if axes[i] == 0 else e.sum(0)
        for i, e in zip(floats, expected[1], strict=True)
    ]
    assert_near(summed, tuple(sums), where=where)


def _both_orders(case, axes, run):
    """The gradient mapped, and the gradient of what is mapped."""
    floats = [case.arrays.index(i) for i in case.positions]

    def compute(arrays, cotangents):
        def batched(*values):
            given = dict(zip(floats, values, strict=True))
            whole = [given.get(i, a) for i, a in enumerate(arrays)]
            return jax.vmap(case.at(case.op, case.arrays), in_axes=axes)(*whole)

        mapped = jax.vmap(run, in_axes=(axes, 0))(arrays, cotangents)
        _, pull = jax.vjp(batched, *(arrays[i] for i in floats))
        return mapped, pull(cotangents)

    return compute


def _stack(a, b):
    return np.stack([a, b])


def _pullback_of_arrays(case):
    floats = [case.arrays.index(i) for i in case.positions]

    def run(arrays, cotangent):
        def of_floats(*values):
            given = dict(zip(floats, values, strict=True))
            whole = [given.get(i, a) for i, a in enumerate(arrays)]
            return case.at(case.op, case.arrays)(*whole)

        output, pull = jax.vjp(of_floats, *(arrays[i] for i in floats))
        return output, pull(cotangent)

    return run


def _two_of(array):
    """The array and another of its kind."""
    if jnp.issubdtype(array.dtype, jnp.floating):
        return _stack(array, 0.5 * array + 0.25)
    if jnp.issubdtype(array.dtype, jnp.integer) and array.dtype != jnp.uint32:
        return _stack(array, np.zeros_like(array))
    if array.dtype == np.bool_:
        return _stack(array, ~array)
    return jax.random.split(array)  # a key


@pytest.mark.parametrize("name", a_third(NAMES, 2))
def test_scan(name):
    """Two turns of a loop give what two calls give, the gradients summed."""
    for case in cases(name):
        cotangent = case.cotangent()

        def looped(*floats, case=case):
            def turn(carry, factor):
                return carry, case.manual(*(factor * x for x in floats))

            return jax.lax.scan(turn, 0, jnp.array([1.0, 0.5]))[1]

        def unrolled(*floats, case=case):
            outputs = [case.automatic(*(f * x for x in floats)) for f in (1.0, 0.5)]
            return jax.tree.map(lambda a, b: jnp.stack([a, b]), *outputs)

        both = jax.tree.map(lambda g: _stack(g, -2 * g), cotangent)
        _, got = pullback(looped, case.floats, both)
        _, expected = pullback(unrolled, case.floats, both)
        assert_near(got, expected, where=case.name)


@pytest.mark.parametrize("name", a_third(NAMES, 0))
def test_checkpoint(name):
    for case in cases(name):
        cotangent = case.cotangent()
        kept = pullback(case.manual, case.floats, cotangent)
        again = pullback(jax.checkpoint(case.manual), case.floats, cotangent)
        assert_near(again, kept, 1e-12, case.name)


@pytest.mark.parametrize("name", a_third(NAMES, 1))
def test_lowers_for_accelerators(name):
    """The branches that a CPU never takes are at least programs for the others."""
    case = next(cases(name, dtype=jnp.float32))

    def gradient(floats, cotangent):
        return jax.vjp(case.manual, *floats)[1](cotangent)

    exported = jax.export.export(jax.jit(gradient), platforms=["tpu", "cuda"])
    program = exported(case.floats, case.cotangent())
    assert program.platforms == ("tpu", "cuda")
