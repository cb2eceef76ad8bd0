"""Recurrent layers against their ops: masks, the carry, and both directions."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layer_table import made, shape

import funcnn as fn

X = shape(3, 6, 2)
MASK = jnp.arange(6) < jnp.array([6, 3, 1])[:, None]
LAYERS = {
    "RNN": (fn.RNN(4), fn.rnn),
    "LSTM": (fn.LSTM(4), fn.lstm),
    "GRU": (fn.GRU(4), fn.gru),
    "GRU from the end": (fn.GRU(4, reverse=True), fn.gru),
}
every_layer = pytest.mark.parametrize(("layer", "op"), LAYERS.values(), ids=LAYERS)


def close(got, expected):
    chex.assert_trees_all_close(got, expected, rtol=1e-5, atol=1e-6)


@every_layer
def test_the_layers_are_their_ops_with_and_without_a_mask(layer, op):
    params, state, x = made(layer, X)
    y, _ = layer.apply(params, state, x)
    close(y, op(x, **params, reverse=layer.reverse)[0])
    y, mask = layer.apply(params, state, (x, MASK))[0]
    assert mask is MASK
    close(y, op(x, **params, mask=MASK, reverse=layer.reverse)[0])


@pytest.mark.slow
@pytest.mark.parametrize("positive", [False, True])
def test_min_gru_is_its_op_of_two_products(positive):
    layer = fn.MinGRU(4, positive=positive)
    params, state, x = made(layer, X)
    halves = jnp.split(x @ params["kernel"] + params["bias"], 2, axis=-1)
    close(layer.apply(params, state, x)[0], fn.min_gru(*halves, positive=positive)[0])
    hidden = jnp.where(MASK[..., None], x, jnp.nan)

    def loss(params, x):
        (y, _), _ = layer.apply(params, state, (x, MASK))
        return (y**2).sum()

    chex.assert_tree_all_finite(jax.grad(loss)(params, hidden))
    close(loss(params, hidden), loss(params, x))


@pytest.mark.parametrize("kind", [fn.RNN, fn.LSTM, fn.GRU, fn.MinGRU])
def test_the_carry_in_the_state_goes_on_and_has_no_gradient(kind):
    whole, pieces = kind(4), kind(4, carry_in_state=True)
    params, state, x = made(pieces, X)
    chex.assert_trees_all_equal(state, jax.tree.map(jnp.zeros_like, state))
    first, between = pieces.apply(params, state, x[:, :2], train=True)
    second, last = pieces.apply(params, between, x[:, 2:])
    y, _ = whole.apply(params, (), x)
    close(jnp.concatenate([first, second], axis=1), y)
    close(last["h"], y[:, -1])
    moved = jax.grad(lambda x: pieces.apply(params, state, x)[1]["h"].sum())(x)
    assert not np.any(moved)


def test_the_state_keeps_its_dtype():
    layer = fn.LSTM(4, carry_in_state=True)
    params, state, x = made(layer, shape(3, 6, 2, dtype="bfloat16"))
    y, new = layer.apply(params, state, x)
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype.name for leaf in jax.tree.leaves((state, new))} == {"float32"}


@pytest.mark.slow
def test_masks_go_through_a_chain_and_both_directions():
    model = fn.Chain(fn.Bidirectional(fn.LSTM(4)), fn.GRU(3), lambda pair: pair[0])
    x = jax.random.normal(jax.random.key(1), (1, 6, 2))
    pair = x, jnp.arange(6)[None] < 4
    params, state = model.init(jax.random.key(0), pair)
    y, _ = model.apply(params, state, pair)
    alone, _ = model.apply(params, state, (x[:, :4], pair[1][:, :4]))
    close(y[:, :4], alone)  # from the end means from the end of what counts
    close(y[:, 4:], y[:, 3:4] * jnp.ones((1, 2, 1)))


def test_bidirectional_is_both_directions_side_by_side():
    layer = fn.Bidirectional(fn.GRU(4))
    assert repr(layer) == "Bidirectional(GRU(4))"
    params, state, x = made(layer, X)
    y, _ = layer.apply(params, state, x)
    close(y[..., :4], fn.gru(x, **params[0])[0])
    close(y[..., 4:], fn.gru(x, **params[1], reverse=True)[0])
    assert layer != fn.Parallel(*layer.layers, merge=layer.merge)


def test_recurrent_kernels_are_orthogonal_gate_by_gate():
    for dtype in ("float32", "bfloat16"):
        params, _, _ = made(fn.LSTM(4), shape(3, 6, 2, dtype=dtype))
        gates = jnp.split(params["recurrent_kernel"].astype(jnp.float32), 4, axis=-1)
        for gate in gates:
            np.testing.assert_allclose(gate @ gate.T, np.eye(4), atol=0.02)
        assert abs(gates[0] - gates[1]).max() > 0.1


def test_errors_name_the_layer():
    with pytest.raises(fn.ShapeError, match=r"^LSTM: needs x of shape .* \(3,\)"):
        fn.LSTM(4).init(jax.random.key(0), shape(3))
    with pytest.raises(fn.LayerError, match=r"^GRU: reverse=True .* carry_in_state"):
        fn.GRU(4, reverse=True, carry_in_state=True)
    with pytest.raises(fn.LayerError, match=r"reverse=True .* carry_in_state"):
        fn.Bidirectional(fn.GRU(4, carry_in_state=True))
    with pytest.raises(TypeError, match=r"Bidirectional: .*reverse.* Dense\(4\)"):
        fn.Bidirectional(fn.Dense(4))
    layer = fn.LSTM(4, carry_in_state=True)
    params, state, x = made(layer, X)
    with pytest.raises(fn.LayerError, match=r"^LSTM: needs a state with the carry"):
        layer.apply(params, (), x)
    with pytest.raises(fn.ShapeError, match=r"^LSTM: lstm: .* h of shape \(2, 4\)"):
        layer.apply(params, state, x[:2])
    model = fn.Bidirectional(fn.GRU(4))
    params, state, x = made(model, X)
    with pytest.raises(fn.ShapeError, match=r"^Bidirectional\[0\]\.GRU: gru: "):
        model.apply(params, state, x[..., :1])
