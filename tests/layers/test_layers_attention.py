"""Attention layers against the formula, and decoding against the whole sequence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layer_table import made, shape
from shares import a_share, a_share_of_rows

import funcnn as fn

normal = jax.nn.initializers.normal()


def applied(layer, params, state, x, **options):
    run = jax.jit(lambda p, s, x: layer.apply(p, s, x, **options))
    return run(params, state, x)


def close(actual, wanted):
    np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


def test_multi_head_attention_is_the_formula():
    layer = fn.MultiHeadAttention(4, kv_heads=2, head_dim=3, bias_init=normal)
    params, _, x = made(layer, shape(2, 5, 8))
    query, key, value = (
        np.einsum("btd,dnh->btnh", x, params[name]["kernel"]) + params[name]["bias"]
        for name in ("query", "key", "value")
    )
    key, value = (np.repeat(y, 2, axis=2) for y in (key, value))
    weights = np.exp(np.einsum("bqnh,bknh->bnqk", query, key) / np.sqrt(3))
    weights /= weights.sum(-1, keepdims=True)
    y = np.einsum("bnqk,bknh->bqnh", weights, value)
    wanted = np.einsum("btnh,nhd->btd", y, params["out"]["kernel"])
    close(applied(layer, params, (), x)[0], wanted + params["out"]["bias"])


def test_causal_window_and_rotary_are_those_of_the_ops():
    options = {"causal": True, "window": 2}
    layer = fn.MultiHeadAttention(2, rotary=100.0, use_bias=False, **options)
    params, _, x = made(layer, shape(2, 5, 8))

    @jax.jit
    def by_hand(params, x):
        query, key, value = (
            jnp.einsum("btd,dnh->btnh", x, params[name]["kernel"])
            for name in ("query", "key", "value")
        )
        query, key = (
            fn.rotary_embedding(y, jnp.arange(5), base=100.0) for y in (query, key)
        )
        y = fn.dot_product_attention(query, key, value, **options)
        return jnp.einsum("btnh,nhd->btd", y, params["out"]["kernel"])

    close(applied(layer, params, (), x)[0], by_hand(params, x))


def test_rotary_may_be_true_for_the_usual_base():
    assert fn.MultiHeadAttention(2, rotary=True) == fn.MultiHeadAttention(2, rotary=1e4)
    assert fn.MultiHeadAttention(2, rotary=False) == fn.MultiHeadAttention(2)


def test_kernels_are_drawn_as_those_of_dense():
    params, _, _ = made(fn.MultiHeadAttention(8, head_dim=100), shape(1, 2, 400))
    for name, inputs in {"query": 400, "key": 400, "value": 400, "out": 800}.items():
        kernel = np.asarray(params[name]["kernel"])
        np.testing.assert_allclose(kernel.std(), inputs**-0.5, rtol=0.02)
        assert not np.any(params[name]["bias"])
    drawn_twice = params["query"]["kernel"] == params["key"]["kernel"]
    assert drawn_twice.mean() < 0.01


# Decoding.

CACHED = {
    "all": {},
    "groups": {"kv_heads": 1},
    "rotary": {"rotary": True},
    "window": {"window": (2, 0)},
}


def with_cache(x, max_length=7, **options):
    layer = fn.MultiHeadAttention(
        2, causal=True, max_length=max_length, bias_init=normal, **options
    )
    return layer, *made(layer, x)


def in_steps(layer, params, state, x, sizes):
    """The outputs of step after step, and the state after all."""
    step = jax.jit(lambda state, x: layer.apply(params, state, x))
    outputs, first = [], 0
    for size in sizes:
        y, state = step(state, x[..., first : first + size, :])
        outputs.append(y)
        first += size
    return np.concatenate(outputs, axis=-2), state


@pytest.mark.parametrize(
    "options", a_share_of_rows({name: (own,) for name, own in CACHED.items()}, 4)
)
@pytest.mark.parametrize("sizes", a_share([(3, 1, 2), (1,) * 6, (6,)], 3), ids=str)
def test_decoding_in_steps_is_the_causal_pass_over_all(options, sizes):
    layer, params, state, x = with_cache(shape(2, 6, 8), **options)
    whole, unchanged = applied(layer, params, state, x, train=True)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(unchanged))
    outputs, state = in_steps(layer, params, state, x, sizes)
    close(outputs, whole)
    assert state["index"] == 6


def test_one_program_serves_every_step():
    layer, params, state, x = with_cache(shape(2, 6, 8))
    traces = []

    @jax.jit
    def step(state, x):
        traces.append(x.shape)
        return layer.apply(params, state, x)

    for t in range(6):
        _, new_state = step(state, x[:, t : t + 1])
        assert jax.tree.map(jnp.shape, new_state) == jax.tree.map(jnp.shape, state)
        state = new_state
    assert len(traces) == 1


def test_a_loop_decodes_too():
    layer, params, state, x = with_cache(shape(2, 6, 8), rotary=True)

    @jax.jit
    def decoded(state, x):
        def step(state, token):
            y, state = layer.apply(params, state, token[:, None])
            return state, y[:, 0]

        return jax.lax.scan(step, state, x.swapaxes(0, 1))[1].swapaxes(0, 1)

    close(decoded(state, x), applied(layer, params, state, x, train=True)[0])


def test_tokens_beyond_the_cache_give_nan_and_so_do_all_later_ones():
    layer, params, state, x = with_cache(shape(1, 6, 8), max_length=4)
    outputs, _ = in_steps(layer, params, state, x, (3, 1, 1, 1))
    assert np.isnan(outputs).all(-1).tolist() == [[False] * 4 + [True] * 2]
    outputs, _ = in_steps(layer, params, state, x, (3, 2, 1))  # no half a step
    assert np.isnan(outputs).all(-1).tolist() == [[False] * 3 + [True] * 3]


def test_the_cache_is_empty_and_of_the_dtype_of_the_input():
    _, _, state, _ = with_cache(shape(3, 2, 8, dtype="bfloat16"), kv_heads=1)
    assert {name: (leaf.shape, leaf.dtype.name) for name, leaf in state.items()} == {
        "key": ((3, 7, 1, 4), "bfloat16"),
        "value": ((3, 7, 1, 4), "bfloat16"),
        "index": ((), "int32"),
    }
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(state))


def test_a_block_decodes_in_a_chain():
    attention = fn.MultiHeadAttention(2, causal=True, max_length=4)
    model = fn.Chain(fn.Dense(4), fn.TransformerBlock(attention), fn.LayerNorm())
    params, state, x = made(model, shape(2, 3, 5))
    whole, _ = applied(model, params, state, x, train=True)
    outputs, _ = in_steps(model, params, state, x, (1, 1, 1))
    close(outputs, whole)


# Blocks.


def test_a_transformer_block_is_the_formula():
    layer = fn.TransformerBlock(fn.Dense(3), fn.Dense(3, use_bias=False))
    params, _, x = made(layer, shape(2, 3))
    params["attention_norm"]["bias"] = jnp.array([1.0, 2.0, 3.0])

    def norm(name, x):
        return fn.layer_norm(x, params[name]["scale"], params[name]["bias"])

    y = x + norm("attention_norm", x) @ params["attention"]["kernel"]
    wanted = y + norm("feed_forward_norm", y) @ params["feed_forward"]["kernel"]
    close(applied(layer, params, (), x)[0], wanted)


def test_a_block_drops_from_both_branches_in_training():
    identity = lambda x: x  # noqa: E731
    layer = fn.TransformerBlock(identity, identity, identity, fn.Dropout(0.5))
    ones = jnp.ones((50, 50))
    params, state = layer.init(jax.random.key(0), ones)
    assert (layer.apply(params, state, ones)[0] == 4).all()
    y, _ = layer.apply(params, state, ones, key=jax.random.key(1), train=True)
    # from x = 1 to 1 or 3, and then to 1 or 3 times that
    assert set(np.unique(y)) == {1, 3, 9}


def test_the_dropped_of_the_branches_are_drawn_apart():
    zero = lambda x: 0 * x  # noqa: E731
    ones = jnp.ones((100,))
    masks = []
    for parts in [(lambda x: x, zero), (zero, lambda x: x)]:
        layer = fn.TransformerBlock(*parts, norm=lambda x: x, dropout=fn.Dropout(0.5))
        params, state = layer.init(jax.random.key(0), ones)
        y, _ = layer.apply(params, state, ones, key=jax.random.key(1), train=True)
        masks.append(y == 1)
    assert (masks[0] != masks[1]).any()


# Bad input.

GOOD = fn.MultiHeadAttention(2, causal=True, max_length=4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fn.MultiHeadAttention(3, kv_heads=2), "heads=3 and kv_heads=2"),
        (lambda: fn.MultiHeadAttention(0), "heads=0"),
        (lambda: fn.MultiHeadAttention(2, max_length=4), "causal=True"),
        (
            lambda: fn.MultiHeadAttention(3).init(jax.random.key(0), shape(2, 8)),
            r"MultiHeadAttention: .* multiple of heads=3, or a head_dim, got \(2, 8\)",
        ),
        (
            lambda: fn.MultiHeadAttention(2).init(jax.random.key(0), shape(8)),
            r"needs x of shape \(\.\.\., t, d\), got \(8,\)",
        ),
        (
            lambda: fn.MultiHeadAttention(2, head_dim=3, rotary=True).init(
                jax.random.key(0), shape(2, 8)
            ),
            "rotary needs an even head_dim, got 3",
        ),
        (lambda: GOOD.apply(*made(GOOD, shape(1, 5, 2))), "at most 4 tokens"),
        (
            lambda: GOOD.apply(made(GOOD, shape(1, 2, 2))[0], (), jnp.ones((1, 2, 2))),
            r"a state with key, value and index, got \(\)",
        ),
        (
            lambda: GOOD.apply(*made(GOOD, shape(1, 2, 2))[:2], jnp.ones((3, 2, 2))),
            r"leading axes \(1,\) .* got \(3, 2, 2\)",
        ),
        (
            lambda: fn.TransformerBlock(fn.Dense(3)).init(
                jax.random.key(0), shape(2, 4)
            ),
            r"TransformerBlock: the output of attention \(2, 3\) .* \(2, 4\)",
        ),
        (
            lambda: fn.TransformerBlock(fn.relu).apply((), (), jnp.ones((2, 4))),
            "TransformerBlock: needs parameters of attention_norm",
        ),
        (
            lambda: fn.TransformerBlock(fn.MultiHeadAttention(3)).init(
                jax.random.key(0), shape(2, 4)
            ),
            r"TransformerBlock\.attention\.MultiHeadAttention: needs x",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, words):
    with pytest.raises(fn.LayerError, match=words):
        make()


def test_a_block_refuses_what_is_no_layer():
    with pytest.raises(TypeError, match=r"TransformerBlock\.attention: got the class"):
        fn.TransformerBlock(fn.Dense)
