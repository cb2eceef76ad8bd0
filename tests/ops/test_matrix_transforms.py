"""Every rule over all its cases: the gradient stays right under transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import NAMES, assert_near, cases, pullback, together
from shares import a_share


@pytest.mark.slow  # every operation of every shape is compiled by itself
@pytest.mark.parametrize("name", NAMES)
def test_without_jit(name):
    known = [max(cases(name), key=lambda case: sum(x.size for x in case.floats))]
    inputs = [(case.floats, case.cotangent()) for case in known]
    compiled = together([pullback(case.manual) for case in known], inputs)
    for case, (floats, cotangent), expected in zip(known, inputs, compiled):
        output, pull = jax.vjp(case.manual, *map(jnp.asarray, floats))
        assert_near((output, pull(cotangent)), expected, 1e-12, case.name)


@pytest.mark.parametrize("name", a_share(NAMES, 24, 6))
def test_vmap_over_each_argument_and_over_all(name):
    known = list(_in_turn(name))
    inputs = [_batched(case, mapped) for case, mapped in known]
    found = together([_mapped_and_one_by_one(*row) for row in known], inputs)
    for (case, mapped), (got, summed, rows) in zip(known, found, strict=True):
        where = f"{case.name}, vmap over arguments {mapped}"
        expected = jax.tree.map(lambda a, b: np.stack([a, b]), *rows)
        assert_near(got, expected, where=where)
        # an argument that all share collects the cotangents of all
        sums = [
            e if i in mapped else e.sum(0)
            for i, e in zip(case.positions, expected[1], strict=True)
        ]
        assert_near(summed, tuple(sums), where=where)


def _in_turn(name):
    """Every case and every set of arguments, but not each with each."""
    known = list(cases(name))
    sets = sorted({*((i,) for i in known[0].arrays), known[0].arrays})
    for number in range(max(len(known), len(sets))):
        case = known[number % len(known)]
        mapped = tuple(i for i in sets[number % len(sets)] if i in case.arrays)
        yield case, mapped or case.arrays


def _batched(case, mapped):
    arrays = tuple(
        _two_of(case.args[i]) if i in mapped else case.args[i] for i in case.arrays
    )
    return arrays, jax.tree.map(_stack, case.cotangent(1), case.cotangent(2))


def _mapped_and_one_by_one(case, mapped):
    """The gradient mapped, the gradient of what is mapped, and that of each row."""
    axes = tuple(0 if i in mapped else None for i in case.arrays)
    floats = [case.arrays.index(i) for i in case.positions]
    run = _pullback_of_arrays(case)

    def compute(arrays, cotangents):
        def batched(*values):
            given = dict(zip(floats, values, strict=True))
            whole = [given.get(i, a) for i, a in enumerate(arrays)]
            return jax.vmap(case.at(case.op, case.arrays), in_axes=axes)(*whole)

        def row(number):
            own = [a if axis is None else a[number] for a, axis in zip(arrays, axes)]
            return run(own, jax.tree.map(lambda g: g[number], cotangents))

        mapped = jax.vmap(run, in_axes=(axes, 0))(arrays, cotangents)
        _, pull = jax.vjp(batched, *(arrays[i] for i in floats))
        return mapped, pull(cotangents), [row(0), row(1)]

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


@pytest.mark.parametrize("name", a_share(NAMES, 24, 10))
def test_scan_and_checkpoint(name):
    known = list(cases(name))
    inputs = [(case.floats, case.cotangent()) for case in known]
    found = together([_looped_and_again(case) for case in known], inputs)
    for case, (looped, unrolled, again, kept) in zip(known, found, strict=True):
        assert_near(looped, unrolled, where=f"{case.name}, scan")
        assert_near(again, kept, 1e-12, f"{case.name}, checkpoint")


def _looped_and_again(case):
    """Two turns of a loop against two calls, the gradients summed; and checkpoint."""

    def looped(*floats):
        def turn(carry, factor):
            return carry, case.manual(*(factor * x for x in floats))

        return jax.lax.scan(turn, 0, jnp.array([1.0, 0.5]))[1]

    def unrolled(*floats):
        outputs = [case.automatic(*(f * x for x in floats)) for f in (1.0, 0.5)]
        return jax.tree.map(lambda a, b: jnp.stack([a, b]), *outputs)

    def run(floats, cotangent):
        both = jax.tree.map(lambda g: jnp.stack([g, -2 * g]), cotangent)
        return (
            *(pullback(f)(floats, both)[1] for f in (looped, unrolled)),
            pullback(jax.checkpoint(case.manual))(floats, cotangent),
            pullback(case.manual)(floats, cotangent),
        )

    return run


@pytest.mark.parametrize("name", NAMES)
def test_lowers_for_accelerators(name):
    """The branches that a CPU never takes are at least programs for the others."""
    case = next(cases(name, dtype=jnp.float32))

    def gradient(floats, cotangent):
        return jax.vjp(case.manual, *floats)[1](cotangent)

    exported = jax.export.export(jax.jit(gradient), platforms=["tpu", "cuda"])
    program = exported(case.floats, case.cotangent())
    assert program.platforms == ("tpu", "cuda")
