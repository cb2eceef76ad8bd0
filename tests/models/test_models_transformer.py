"""The language model: what it computes, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from shares import a_share

import funcnn as fn
from funcnn.models import transformer
from funcnn.training import TrainState, make_step, supervised

SMALL = {"width": 16, "depth": 2, "heads": 2}
IDS = np.random.default_rng(0).integers(0, 11, (3, 8), np.int32)


def logits_of(model, ids):
    params, state = model.init(jax.random.key(0), ids)
    return model.apply(params, state, ids)[0]


def test_a_token_is_told_of_those_before_it_alone():
    other = IDS.copy()
    other[:, 5] = (other[:, 5] + 1) % 11
    first, second = logits_of(transformer(11, **SMALL), np.stack([IDS, other]))
    assert first.shape == (*IDS.shape, 11)
    np.testing.assert_array_equal(first[:, :5], second[:, :5])
    assert (np.abs(first[:, 5:] - second[:, 5:]).max(-1) > 1e-4).all()


def test_a_token_is_told_where_those_before_it_are():
    swapped = IDS[:, [1, 0, *range(2, 8)]]
    # one block, as a second one would learn of places by who has seen whom
    model = transformer(11, **{**SMALL, "depth": 1})
    first, second = logits_of(model, np.stack([IDS, swapped]))
    assert np.abs(first[:, -1] - second[:, -1]).max() > 1e-4


def test_its_parameters_are_those_of_the_formula():
    width, depth, hidden, vocabulary = 16, 2, 128, 11
    model = transformer(vocabulary, **SMALL)
    shapes = jax.eval_shape(model.init, jax.random.key(0), IDS)[0]
    block = 4 * width**2 + 3 * width * hidden + 2 * width
    expected = depth * block + 2 * vocabulary * width + width
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == expected


@pytest.mark.slow
def test_remat_changes_no_gradient_and_keeps_less():
    def loss(model):
        params, state = model.init(jax.random.key(0), IDS)
        return lambda params: model.apply(params, state, IDS)[0].sum(), params

    plain, params = loss(transformer(11, **SMALL))
    again, _ = loss(transformer(11, remat=True, **SMALL))
    pairs = jax.grad(plain)(params), jax.grad(again)(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), *pairs)
    assert fn.saved_bytes(again, params) < 0.6 * fn.saved_bytes(plain, params)


@pytest.mark.parametrize("options", a_share([{}, {"kv_heads": 1, "dropout": 0.1}], 2))
def test_it_learns_what_comes_next(options):
    model = transformer(11, **SMALL, **options)
    start = np.arange(8)[:, None] + np.arange(9)[None]
    ids = (start * start) % 11  # the next hangs on more than the last
    batch = jnp.asarray(ids[:, :-1]), jnp.asarray(ids[:, 1:])
    optimizer = optax.adam(1e-2)
    state = TrainState.create(model, optimizer, jax.random.key(0), batch[0])
    step = make_step(supervised(model, fn.softmax_cross_entropy), optimizer)
    losses = []
    for _ in range(60):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert losses[0] > 2
    assert losses[-1] < 0.6
