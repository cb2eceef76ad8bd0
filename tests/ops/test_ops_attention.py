"""What the docstrings of attention promise beyond their gradients."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import assert_near
from shares import a_share, a_share_of_rows

import funcnn as fn
from funcnn import ops
from funcnn.ops._attention._blocks import Blocks, sizes_at_once
from funcnn.ops._attention._dot_product_attention import _attention


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def inputs(t=600, s=600, n=4, k=2, h=4):  # three blocks by two
    query = normal(2, t, n, h, seed=1)
    return query, normal(2, s, k, h, seed=2), normal(2, s, k, h, seed=3)


def with_gradients(f, *args):
    """The output, and the gradients for a random cotangent."""

    def run(args):
        output, pull = jax.vjp(f, *args)
        return output, pull(jnp.asarray(normal(*output.shape, seed=9), output.dtype))

    return jax.device_get(jax.jit(run)(args))


SEEN = np.random.default_rng(5).random((2, 1, 600, 600)) < 0.7
OTHERS_NAMES = {"causal": "is_causal", "window": "local_window_size"}


JAX_HAS = {
    "all": ({"k": 4}, {}),
    "causal": ({}, {"causal": True}),
    "causal, fewer queries": ({"k": 1, "t": 270}, {"causal": True}),
    "causal, window": ({"s": 570}, {"causal": True, "window": 40, "scale": 0.1}),
    "window": ({}, {"window": (3, 260)}),
    "window, few queries": ({"t": 20}, {"window": 30}),
    "mask": ({}, {"mask": SEEN}),
    "mask, one query": ({"t": 1}, {"mask": SEEN[:, :, :1]}),
}


@pytest.mark.parametrize(("shapes", "options"), a_share_of_rows(JAX_HAS, 4))
def test_attention_agrees_with_jax_in_float32(shapes, options):
    theirs = {OTHERS_NAMES.get(name, name): v for name, v in options.items()}
    args = inputs(**shapes)
    got = with_gradients(lambda *x: ops.dot_product_attention(*x, **options), *args)
    expected = with_gradients(
        lambda *x: jax.nn.dot_product_attention(*x, **theirs, implementation="xla"),
        *args,
    )
    assert_near(got, expected, 1e-5)


SHAPES_OF_BIASES = [
    (2, 1, 600, 1),
    (2, 4, 600, 600),
    (1, 4, 1, 600),
    (600, 600),
    (600,),
]


@pytest.mark.parametrize("shape", a_share(SHAPES_OF_BIASES, 5))
def test_a_bias_of_any_broadcast_shape_agrees_with_jax(shape):
    args = (*inputs(), normal(*shape, seed=4))

    def ours(query, key, value, bias):
        return ops.dot_product_attention(query, key, value, bias=bias, causal=True)

    def theirs(query, key, value, bias):
        bias = jnp.broadcast_to(bias, (2, 4, 600, 600))
        return jax.nn.dot_product_attention(
            query, key, value, bias, is_causal=True, implementation="xla"
        )

    got, expected = (with_gradients(f, *args) for f in (ours, theirs))
    if shape[-1] == 1:  # what all keys have in common makes no difference
        assert abs(got[1][3]).max() < 1e-4
        got, expected = (
            jax.tree.map(lambda x: x if x.shape != shape else 0 * x, g)
            for g in (got, expected)
        )
    assert_near(got, expected, 1e-5)


def test_axes_before_the_sequence_may_be_none_or_many():
    query, key, value = inputs(t=5, s=4)
    attend = jax.jit(ops.dot_product_attention)
    expected = attend(query, key, value)
    one = attend(query[1], key[1], value[1])
    assert_near(one, expected[1], 1e-6)
    many = [x.reshape(2, 1, *x.shape[1:]) for x in (query, key, value)]
    mask = np.ones((2, 1, 1, 1, 4), bool)
    got = attend(*many, mask=mask)
    assert_near(got, expected[:, None], 1e-6)


def test_values_may_have_other_features_than_keys():
    query, key, _ = inputs(t=5, s=4)
    output = ops.dot_product_attention(query, key, normal(2, 4, 2, 3))
    assert output.shape == (2, 5, 4, 3)


NOTHING = {
    "mask": {"mask": np.arange(5)[:, None] != 2},
    "bias": {"bias": np.where(np.arange(5)[:, None] != 2, 0.0, -np.inf)},
    "window": {"window": (1, None)},
}


@pytest.mark.parametrize(("by", "options"), NOTHING.items(), ids=NOTHING)
def test_a_query_that_sees_nothing_gives_0_and_takes_no_gradient(by, options):
    query, key, value = inputs(t=5, s=3)
    blind = [4] if by == "window" else [2]
    output, (dquery, *others) = with_gradients(
        lambda *x: ops.dot_product_attention(*x, **options), query, key, value
    )
    assert not output[:, blind].any()
    assert not dquery[:, blind].any()
    assert output[:, np.delete(np.arange(5), blind)].any(-1).all()
    assert all(np.isfinite(x).all() for x in (output, dquery, *others))


@pytest.mark.parametrize(("t", "s"), [(0, 3), (3, 0)])
def test_no_queries_and_no_keys(t, s):
    output, gradients = with_gradients(ops.dot_product_attention, *inputs(t=t, s=s))
    assert output.shape == (2, t, 4, 4)
    assert not any(x.any() for x in (output, *gradients))


def test_large_scores_in_blocks_with_a_rest_stay_finite():
    """What fills the last block must not overflow where a bias is large."""
    query, key, value = inputs(t=3, s=3)
    for size in (1e4, -1e4):
        bias = np.full((1, 1, 1, 3), size, np.float32)
        found = with_gradients(
            lambda *x: _attention(*x, None, 100.0, (None, None), (2, 1)),
            *(query, key, value, bias),
        )
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(found))


def test_a_bias_of_another_dtype_leaves_that_of_the_output():
    query, key, value = (x.astype(jnp.bfloat16) for x in inputs(t=3, s=3))
    bias = normal(3, 3, dtype=np.float64)
    output, (_, _, _, dbias) = with_gradients(
        lambda *x: ops.dot_product_attention(*x[:3], bias=x[3]), query, key, value, bias
    )
    assert (output.dtype, dbias.dtype) == (jnp.bfloat16, np.float64)


@pytest.mark.parametrize("band", [(None, None), (None, 0), (2, 1), (0, 0), (1, None)])
@pytest.mark.parametrize(("t", "s"), [(7, 7), (7, 3), (2, 9), (0, 4), (5, 0), (40, 40)])
def test_a_block_is_given_all_keys_that_it_sees(band, t, s):
    rows = 3
    left, right = (1000 if b is None else b for b in band)
    ahead = np.arange(s) - np.arange(t)[:, None]
    seen = (ahead >= -left) & (ahead <= right)
    blocks = Blocks((), (t, s), (1, 1), rows, band)
    numbers = []
    for start, stop, keys in blocks.groups():
        for i in range(start, stop):
            numbers.append(i)
            first = int(blocks.first_key(jnp.int32(i), keys))
            needed = np.flatnonzero(seen[i * rows : (i + 1) * rows].any(0))
            assert first >= 0
            assert first + keys <= s
            assert set(needed) <= set(range(first, first + keys))
    assert numbers == list(range(blocks.count))


def test_causal_attention_leaves_out_nearly_half_and_a_window_nearly_all():
    def scores(band):
        blocks = Blocks((), (4096, 4096), (1, 1), 128, band)
        return sum(128 * keys * (b - a) for a, b, keys in blocks.groups()) / 4096**2

    assert scores((None, 0)) == 0.5625
    assert scores((255, 0)) == (128 + 255) / 4096


def test_few_keys_have_many_queries_and_short_sequences_many_heads():
    assert sizes_at_once((1024, 1024), 1, 8) == (256, 1)
    assert sizes_at_once((1024, 1024), 4, 8) == (64, 1)
    assert sizes_at_once((300, 257), 1, 8) == (150, 4)
    assert sizes_at_once((256, 256), 1, 32) == (128, 8)
    assert sizes_at_once((64, 64), 1, 12) == (64, 12)
    assert sizes_at_once((1, 10000), 1, 256) == (1, 16)
    assert sizes_at_once((0, 0), 1, 0) == (1, 1)


def test_what_is_saved_grows_with_the_length_and_not_with_its_square():
    def saved(t):
        x = jax.ShapeDtypeStruct((1, t, 4, 64), jnp.float32)
        f = lambda *x: ops.dot_product_attention(*x, causal=True)  # noqa: E731
        return fn.saved_bytes(f, x, x, x)

    assert saved(4096) == 2 * saved(2048) == 4096 * 4 * 4 * (3 * 64 + 2)


LONG = """
import resource
import jax, jax.numpy as jnp
import funcnn as fn

def loss(query, key, value):
    return (fn.dot_product_attention(query, key, value, causal=True) ** 2).sum()

x = jax.ShapeDtypeStruct((1, 8192, 8, 64), jnp.float32)
compiled = jax.jit(jax.grad(loss, (0, 1, 2))).lower(x, x, x).compile()
memory = compiled.memory_analysis()
args = [jax.random.normal(jax.random.key(i), x.shape) for i in range(3)]
jax.block_until_ready(args)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
gradients = jax.block_until_ready(compiled(*args))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert all(jnp.isfinite(g).all() for g in gradients)
print(memory.temp_size_in_bytes, memory.argument_size_in_bytes)
print(memory.output_size_in_bytes, 1024 * (after - before))
"""


@pytest.mark.slow
def test_8192_tokens_train_within_a_gigabyte():
    result = subprocess.run(
        [sys.executable, "-c", LONG], capture_output=True, text=True, check=True
    )
    temporary, arguments, outputs, grown = map(int, result.stdout.split())
    assert temporary + arguments + outputs < 1e9
    assert arguments + grown < 1e9


def test_one_key_that_outweighs_all_others_leaves_no_rounding():
    """Where the softmax is saturated, its slopes are exactly 0, as of autodiff."""
    sizes = [(1, 5, 1, 8), (1, 5, 1, 8), (1, 5, 1, 8)]
    args = [300 * normal(*size, seed=i) for i, size in enumerate(sizes)]
    for rows in (2, 5):
        _, (dquery, dkey, dvalue) = with_gradients(
            lambda *x: _attention(*x, None, None, 1.0, (None, None), (rows, 1)),
            *args,
        )
        assert not dquery.any()
        assert not dkey.any()
        assert dvalue.any()


# Rotary embedding.


def test_rotary_products_depend_on_the_distance_alone():
    query, key = normal(5, 2, 8, seed=1), normal(5, 2, 8, seed=2)

    def products(first):
        turned = [ops.rotary_embedding(x, first + np.arange(5)) for x in (query, key)]
        return jnp.einsum("qnh,knh->nqk", *turned)

    assert_near(products(1000), products(-3), 1e-5)
    plain = jnp.einsum("qnh,knh->nqk", query, key)
    assert np.abs(products(0) - plain).max() > 0.1


def turned_in_numpy(x, positions, base, dims, interleaved):
    """By complex numbers, in float64."""
    pairs = dims // 2
    one = slice(0, dims, 2) if interleaved else slice(0, pairs)
    other = slice(1, dims, 2) if interleaved else slice(pairs, dims)
    angles = positions[..., None, None] * base ** (-np.arange(pairs) / pairs)
    z = (x[..., one] + 1j * x[..., other]) * np.exp(1j * angles)
    y = x.astype(np.float64)
    y[..., one], y[..., other] = z.real, z.imag
    return y


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dims", [2, 6, 8])
def test_rotary_turns_pairs_as_complex_numbers(dims, interleaved):
    x, positions = normal(2, 3, 4, 8, dtype=np.float64), np.array([[0, 1, 99]])
    options = {"base": 100.0, "dims": dims, "interleaved": interleaved}
    y = ops.rotary_embedding(x, positions, **options)
    assert_near(y, turned_in_numpy(x, positions, **options), 1e-12)


@pytest.mark.parametrize("position", [10, 10**4, 10**6, -(10**6)])
def test_rotary_angles_keep_their_digits_at_far_positions(position):
    x = normal(1, 1, 64)
    y = ops.rotary_embedding(x, np.array([position]))
    truth = turned_in_numpy(x, np.array([position]), 1e4, 64, False)
    bound = 2**-23 + 2**-30 * abs(position) + 2**-22
    assert np.abs(y - truth).max() <= bound * np.abs(x).max() * 1.5


def test_rotary_takes_any_integers():
    x = normal(3, 1, 4)
    expected = ops.rotary_embedding(x, np.array([0, 1, 200]))
    for dtype in (np.uint8, np.int16, np.uint32, np.int64):
        assert_near(ops.rotary_embedding(x, np.array([0, 1, 200], dtype)), expected)


# Bad input.

Q, K, V = inputs(t=3, s=5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.dot_product_attention(Q, K[:1], V), fn.ShapeError, ["(1, 5, 2"]),
        (
            lambda: ops.dot_product_attention(Q, K[..., :1], V),
            fn.ShapeError,
            ["(2, 5, 2, 1)", "(..., s, k, h)"],
        ),
        (
            lambda: ops.dot_product_attention(Q[:, :, :3], K, V),
            fn.ShapeError,
            ["a multiple of k", "(2, 3, 3, 4)"],
        ),
        (lambda: ops.dot_product_attention(Q[0, 0], K, V), fn.ShapeError, ["(4, 4)"]),
        (
            lambda: ops.dot_product_attention(Q, K, V, mask=np.ones((3, 4), bool)),
            fn.ShapeError,
            ["mask", "(2, 4, 3, 5)", "(3, 4)"],
        ),
        (
            lambda: ops.dot_product_attention(Q, K, V, bias=normal(1, 1, 1, 1, 1)),
            fn.ShapeError,
            ["bias", "(1, 1, 1, 1, 1)"],
        ),
        (
            lambda: ops.dot_product_attention(Q, K, V, mask=np.ones((3, 5))),
            fn.DtypeError,
            ["mask", "boolean", "float64"],
        ),
        (lambda: ops.dot_product_attention(Q, K, V, window=-1), ValueError, ["-1"]),
        (lambda: ops.dot_product_attention(Q, K, V, window=1.5), ValueError, ["1.5"]),
        (
            lambda: ops.dot_product_attention(Q, K, V, window=(1, 2, 3)),
            ValueError,
            ["(1, 2, 3)"],
        ),
        (lambda: ops.rotary_embedding(Q, np.ones(3)), fn.DtypeError, ["float64"]),
        (lambda: ops.rotary_embedding(Q, np.arange(4)), fn.ShapeError, ["(4,)"]),
        (lambda: ops.rotary_embedding(Q, np.arange(3), dims=5), ValueError, ["5"]),
        (lambda: ops.rotary_embedding(Q, np.arange(3), dims=10), ValueError, ["10"]),
    ],
)
def test_what_does_not_fit_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
