"""Every rule over all its cases: the gradient stays right under transformations."""

import jax
import jax.numpy as jnp
import pytest
from matrix import NAMES, assert_near, cases, pullback


@pytest.mark.parametrize("name", NAMES)
def test_without_jit(name):
    for case in cases(name):
        cotangent = case.cotangent()
        output, pull = jax.vjp(case.manual, *case.floats)
        eager = output, pull(cotangent)
        compiled = pullback(case.manual, case.floats, cotangent)
        assert_near(eager, compiled, 1e-12, case.name)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_each_argument_and_over_all(name):
    for case in cases(name):
        subsets = [(i,) for i in case.arrays]
        for mapped in {*subsets, case.arrays}:
            _check_vmap(case, mapped)


def _check_vmap(case, mapped):
    stacks = [_two_of(case.args[i]) for i in mapped]
    axes = tuple(0 if i in mapped else None for i in case.arrays)
    args = list(case.args)
    for i, stack in zip(mapped, stacks, strict=True):
        args[i] = stack
    arrays = tuple(args[i] for i in case.arrays)
    cotangents = jax.tree.map(
        lambda a, b: jnp.stack([a, b]), case.cotangent(1), case.cotangent(2)
    )
    run = _pullback_of_arrays(case)
    mapped_run = jax.jit(jax.vmap(run, in_axes=(axes, 0)))
    got = mapped_run(arrays, cotangents)
    one_by_one = jax.jit(run)
    rows = []
    for row in range(2):
        own = tuple(a[row] if axis == 0 else a for a, axis in zip(arrays, axes))
        rows.append(
            one_by_one(own, jax.tree.map(lambda g, row=row: g[row], cotangents))
        )
    expected = jax.tree.map(lambda a, b: jnp.stack([a, b]), *rows)
    where = f"{case.name}, vmap over arguments {mapped}"
    assert_near(got, expected, where=where)
    _check_gradient_of_vmap(case, axes, arrays, cotangents, expected[1], where)


def _check_gradient_of_vmap(case, axes, arrays, cotangents, expected, where):
    """An argument that all share collects the cotangents of all."""
    floats = [case.arrays.index(i) for i in case.positions]

    def batched(*values):
        given = dict(zip(floats, values, strict=True))
        whole = [given.get(i, a) for i, a in enumerate(arrays)]
        return jax.vmap(case.at(case.op, case.arrays), in_axes=axes)(*whole)

    _, got = pullback(batched, tuple(arrays[i] for i in floats), cotangents)
    summed = tuple(
        e if axes[i] == 0 else e.sum(0) for i, e in zip(floats, expected, strict=True)
    )
    assert_near(got, summed, where=where)


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
        return jnp.stack([array, 0.5 * array + 0.25])
    if jnp.issubdtype(array.dtype, jnp.integer) and array.dtype != jnp.uint32:
        return jnp.stack([array, jnp.zeros_like(array)])
    return jax.random.split(array)  # a key


@pytest.mark.parametrize("name", NAMES)
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

        both = jax.tree.map(lambda g: jnp.stack([g, -2 * g]), cotangent)
        _, got = pullback(looped, case.floats, both)
        _, expected = pullback(unrolled, case.floats, both)
        assert_near(got, expected, where=case.name)


@pytest.mark.parametrize("name", NAMES)
def test_checkpoint(name):
    for case in cases(name):
        cotangent = case.cotangent()
        kept = pullback(case.manual, case.floats, cotangent)
        again = pullback(jax.checkpoint(case.manual), case.floats, cotangent)
        assert_near(again, kept, 1e-12, case.name)


@pytest.mark.parametrize("name", NAMES)
def test_lowers_for_accelerators(name):
    """The branches that a CPU never takes are at least programs for the others."""
    case = next(cases(name, dtype=jnp.float32))

    def gradient(floats, cotangent):
        return jax.vjp(case.manual, *floats)[1](cotangent)

    exported = jax.export.export(jax.jit(gradient), platforms=["tpu", "cuda"])
    program = exported(case.floats, case.cotangent())
    assert program.platforms == ("tpu", "cuda")
