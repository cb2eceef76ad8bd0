"""Products: values against NumPy and JAX, what is saved, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import assert_near, refused

import funcnn as fn
from funcnn import ops


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


EQUATIONS = {
    "ij,jk": ((2, 3), (3, 4)),
    "ba,cb": ((2, 3), (4, 2)),  # the output in alphabetical order
    "i,i": ((3,), (3,)),
    "i , j -> ji": ((2,), (3,)),
    "...ij,...jk->...ik": ((5, 2, 3), (5, 3, 4)),
    "...ij,...jk": ((2, 3), (5, 3, 4)),
    "b...,b...->...b": ((2, 3, 1), (2, 1, 4)),  # broadcast on both sides
    "...i,ij->j...": ((2, 1, 3), (3, 4)),
    "...,...": ((3, 1), (4,)),
    "a...,...->a": ((2, 1), (3,)),
    "abc,d->ad": ((2, 3, 2), (3,)),
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_reads_equations_as_jax_does(equation):
    a, b = EQUATIONS[equation]
    x, y = normal(*a), normal(*b, seed=1)

    @jax.jit
    def pulled(x, y):
        results = []
        for f in (ops.einsum, jnp.einsum):
            z, pull = jax.vjp(lambda x, y, f=f: f(equation, x, y), x, y)
            results.append((z, pull(jnp.cos(jnp.arange(z.size)).reshape(z.shape))))
        return results

    assert_near(*pulled(x, y))


def test_einsum_saves_sums_where_a_letter_is_of_one_array_alone():
    x, y = normal(50, 3), normal(3, 2)
    saved = fn.saved_bytes(lambda x, y: ops.einsum("ij,jk->k", x, y), x, y)
    assert saved == 8 * (3 + 6)


def test_einsum_sums_half_precision_in_float32():
    x = jnp.full((4096, 2), 16.0, jnp.float16)
    y = jnp.full((2, 1), 0.25, jnp.float16)
    # the sum along i is beyond float16, what is made of it is not
    z, pull = jax.vjp(lambda x, y: ops.einsum("ij,jk->k", x, y), x, y)
    assert z.tolist() == [32768]
    assert pull(jnp.full(1, 0.5, jnp.float16))[1].tolist() == [[32768], [32768]]


@pytest.mark.parametrize(
    ("equation", "error", "words"),
    [
        ("ii,ij->j", ValueError, ["ii", "diagonal"]),
        ("ij,jk->iki", ValueError, ["iki"]),
        ("ij,jk,kl->il", ValueError, ["two arrays"]),
        ("ij->i", ValueError, ["two arrays"]),
        ("ij,jk->im", ValueError, ["output", "letter of its own"]),
        ("i1,jk->ik", ValueError, ["i1"]),
        ("i..j,jk->ik", ValueError, ["i..j"]),
        ("ij,kj->ik", fn.ShapeError, ["one size", "(2, 3)", "(3, 4)"]),
        ("ijk,jk->i", fn.ShapeError, ["'ijk'", "3 axes", "(2, 3)"]),
        ("i,jk->i", fn.ShapeError, ["'i'", "1 axes", "(2, 3)"]),
        ("...ijk,jk->i", fn.ShapeError, ["3 or more", "(2, 3)"]),
        ("...,...", fn.ShapeError, ["one size", "(2, 3)", "(3, 4)"]),
    ],
)
def test_equations_that_do_not_fit_are_refused(equation, error, words):
    with refused(error, words, match="einsum: "):
        ops.einsum(equation, normal(2, 3), normal(3, 4))


def test_a_size_of_1_is_broadcast_for_an_ellipsis_alone():
    with pytest.raises(fn.ShapeError):
        ops.einsum("ij,jk->ik", normal(2, 1), normal(3, 4))


def test_bilinear_is_pytorchs():
    x1, x2 = normal(4, 2), normal(4, 3, seed=1)
    kernel, bias = normal(5, 2, 3, seed=2), normal(5, seed=3)
    wanted = [[a @ kernel[k] @ b + bias[k] for k in range(5)] for a, b in zip(x1, x2)]
    assert_near(ops.bilinear(x1, x2, kernel, bias), jnp.array(wanted))


def test_bilinear_keeps_no_outer_product():
    x1, x2, kernel = normal(40, 3), normal(40, 5), normal(4, 3, 5)
    saved = fn.saved_bytes(ops.bilinear, x1, x2, kernel)
    assert saved == 8 * (x1.size + x2.size + kernel.size)


def test_a_low_rank_affine_map_is_an_affine_one_of_the_sum():
    x, kernel, bias = normal(2, 4, 3), normal(3, 5, seed=1), normal(5, seed=2)
    a, b = normal(3, 2, seed=3), normal(2, 5, seed=4)
    got = ops.low_rank_affine(x, kernel, a, b, bias, scale=0.5)
    assert_near(got, ops.affine(x, kernel + 0.5 * a @ b, bias))


def test_the_product_for_a_frozen_kernel_is_left_out():
    x, kernel, a, b = normal(16, 32), normal(32, 24), normal(32, 1), normal(1, 24)

    def gradients(argnums):
        def loss(*args):
            return ops.low_rank_affine(*args).sum()

        compiled = jax.jit(jax.grad(loss, argnums)).lower(x, kernel, a, b).compile()
        return compiled.cost_analysis()["flops"]

    product = 2 * 16 * 32 * 24
    assert gradients((1, 2, 3)) > gradients((2, 3)) + 0.9 * product


def test_unembed_is_the_transposed_of_embedding():
    table, x = normal(7, 3), normal(2, 5, 3, seed=1)
    assert_near(ops.unembed(x, table), x @ table.T)
    rows = ops.unembed(jnp.eye(3), table).T
    assert_near(rows, ops.embedding(table, jnp.arange(7)))


def test_unembed_sums_half_precision_in_float32():
    x = jnp.ones((1, 4096), jnp.bfloat16)
    assert ops.unembed(x, x).tolist() == [[4096]]


def test_a_tied_table_collects_both_gradients():
    table, ids = normal(4, 3), jnp.array([1, 3, 1])

    def tied(table):
        return ops.unembed(ops.embedding(table, ids), table)

    def plain(table):
        return table[ids] @ table.T

    g = normal(3, 4, seed=2)
    got, expected = (jax.vjp(f, table)[1](g) for f in (tied, plain))
    assert_near(got, expected)


VECTOR = jnp.ones(3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: ops.bilinear(normal(2, 3), normal(2, 4), normal(5, 4, 3)),
            ["(5, 4, 3)", "(2, 3)", "(2, 4)"],
        ),
        (
            lambda: ops.bilinear(normal(2, 3), normal(1, 4), normal(5, 3, 4)),
            ["(2, 3)", "(1, 4)"],
        ),
        (lambda: ops.bilinear(VECTOR, VECTOR, normal(3, 3)), ["(m, n, p)", "(3, 3)"]),
        (
            lambda: ops.bilinear(VECTOR, VECTOR, normal(2, 3, 3), VECTOR),
            ["(2,)", "(3,)"],
        ),
        (
            lambda: ops.low_rank_affine(
                normal(2, 3), normal(3, 4), normal(3, 1), normal(2, 4)
            ),
            ["(3, r)", "(r, 4)", "(3, 1)", "(2, 4)"],
        ),
        (
            lambda: ops.low_rank_affine(
                normal(2, 3), normal(3, 4), normal(3, 1), normal(1, 4), VECTOR
            ),
            ["(4,)", "(3,)"],
        ),
        (
            lambda: ops.low_rank_affine(normal(2, 4), *[normal(3, 3)] * 3),
            ["(3, 3)", "(2, 4)"],
        ),
        (lambda: ops.unembed(VECTOR, normal(2, 4)), ["(2, 4)", "(3,)"]),
        (lambda: ops.unembed(VECTOR, VECTOR), ["(n, d)", "(3,)"]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, words):
    with refused(fn.ShapeError, words):
        call()


def test_integers_are_refused():
    ids = jnp.arange(3)
    with pytest.raises(TypeError, match=r"einsum: y .* float"):
        ops.einsum("i,i", VECTOR, ids)
    with pytest.raises(TypeError, match=r"unembed: x .* float"):
        ops.unembed(ids, normal(2, 3))
    with pytest.raises(TypeError, match=r"bilinear: x2 .* float"):
        ops.bilinear(VECTOR, ids, normal(2, 3, 3))
    with pytest.raises(TypeError, match=r"low_rank_affine: x .* float"):
        ops.low_rank_affine(ids, *[normal(3, 3)] * 3)
