"""The layers for which training and inference differ."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shares import a_share

import funcnn as fn

NORM = fn.BatchNorm(momentum=0.9, eps=0.01)
DRAWN = np.random.default_rng(0).normal(2, 3, (5, 4, 2)).astype(np.float32)
AXES = (0, 1)


def norm_variables():
    params = {"scale": jnp.array([2.0, 3.0]), "bias": jnp.array([1.0, -1.0])}
    return params, {"mean": jnp.array([1.0, 0.0]), "var": jnp.array([4.0, 9.0])}


def test_batch_norm_normalizes_by_the_batch_in_training():
    y, _ = NORM.apply(*norm_variables(), DRAWN, train=True)
    h = (DRAWN - DRAWN.mean(AXES)) / np.sqrt(DRAWN.var(AXES) + 0.01)
    np.testing.assert_allclose(y, h * [2, 3] + [1, -1], rtol=1e-4, atol=1e-5)


def test_batch_norm_moves_the_stored_statistics_in_training():
    _, state = NORM.apply(*norm_variables(), DRAWN, train=True)
    mean = 0.9 * np.array([1, 0]) + 0.1 * DRAWN.mean(AXES)
    var = 0.9 * np.array([4, 9]) + 0.1 * DRAWN.var(AXES)
    wanted = {"mean": mean.astype(np.float32), "var": var.astype(np.float32)}
    chex.assert_trees_all_close(state, wanted, rtol=1e-5)


def test_batch_norm_uses_the_stored_statistics_else_and_leaves_them():
    params, state = norm_variables()
    y, new_state = NORM.apply(params, state, DRAWN)
    h = (DRAWN - [1, 0]) / np.sqrt(np.array([4, 9]) + 0.01)
    np.testing.assert_allclose(y, h * [2, 3] + [1, -1], rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_equal(new_state, state)


def test_the_stored_statistics_reach_those_of_the_data():
    def step(state, _):
        return NORM.apply(norm_variables()[0], state, DRAWN, train=True)[1], None

    run = jax.jit(lambda state: jax.lax.scan(step, state, length=300)[0])
    state = run(norm_variables()[1])
    np.testing.assert_allclose(state["mean"], DRAWN.mean(AXES), rtol=1e-4)
    np.testing.assert_allclose(state["var"], DRAWN.var(AXES), rtol=1e-4)


def test_batch_norm_in_half_precision_keeps_its_statistics_in_float32():
    params, state = norm_variables()
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    x = jnp.asarray(DRAWN, jnp.bfloat16)
    y, new_state = NORM.apply(params, state, x, train=True)
    assert y.dtype == jnp.bfloat16
    assert new_state["var"].dtype == jnp.float32


def test_nothing_is_differentiated_by_the_stored_statistics():
    def stored(x):
        _, state = NORM.apply(*norm_variables(), x, train=True)
        return state["mean"].sum() + state["var"].sum()

    np.testing.assert_array_equal(jax.grad(stored)(DRAWN), np.zeros_like(DRAWN))


def test_batch_norm_under_vmap_has_statistics_of_its_own():
    params, state = norm_variables()
    apply = lambda x: NORM.apply(params, state, x, train=True)  # noqa: E731
    batched = jax.jit(jax.vmap(apply))(jnp.stack([DRAWN, 2 * DRAWN]))
    second = jax.tree.map(lambda leaf: leaf[1], batched)
    chex.assert_trees_all_close(second, apply(2 * DRAWN), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("state", [(), {}, {"mean": 0}, None])
def test_batch_norm_without_its_state_is_refused(state):
    params, _ = norm_variables()
    with pytest.raises(fn.LayerError, match=r"BatchNorm: needs a state with mean"):
        NORM.apply(params, state, DRAWN)


MANY = jnp.ones(40_000)


def dropped(rate, key, x=MANY):
    return np.asarray(fn.Dropout(rate).apply((), (), x, key=key, train=True)[0])


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_rate_and_keeps_the_mean(rate):
    y = dropped(rate, jax.random.key(0))
    # five standard deviations of a binomial share
    margin = 5 * (rate * (1 - rate) / MANY.size) ** 0.5
    assert abs((y == 0).mean() - rate) < margin
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - rate)], rtol=1e-6)
    assert abs(y.mean() - 1) < margin / (1 - rate)


def test_neighbours_are_dropped_independently():
    y = dropped(0.5, jax.random.key(1)) == 0
    assert abs((y[1:] & y[:-1]).mean() - 0.25) < 0.02


def test_the_same_key_drops_the_same_and_another_key_others():
    once, again, other = (dropped(0.5, jax.random.key(k)) for k in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).mean() > 0.4


def test_the_gradient_of_dropout_is_its_mask():
    gradient = jax.grad(
        lambda x: (
            fn.Dropout(0.5).apply((), (), x, key=jax.random.key(0), train=True)[0].sum()
        )
    )(MANY)
    np.testing.assert_array_equal(gradient, dropped(0.5, jax.random.key(0)))


def test_dropout_is_the_identity_outside_training():
    layer = fn.Dropout(0.5)
    assert layer.apply((), (), MANY)[0] is MANY
    assert layer.apply((), (), MANY, key=jax.random.key(0))[0] is MANY


def test_dropout_at_the_ends_of_its_range():
    assert fn.Dropout(0).apply((), (), MANY, train=True)[0] is MANY
    np.testing.assert_array_equal(dropped(1, jax.random.key(0)), 0)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(fn.LayerError, match="Dropout: rate must be from 0 to 1"):
        fn.Dropout(rate)


def test_training_without_a_key_names_the_layer():
    model = fn.Chain(fn.relu, fn.Residual(fn.Chain(fn.Dropout(0.5))))
    with pytest.raises(fn.MissingKeyError, match="needs a key") as caught:
        model.apply(((), (((),),)), (), MANY, train=True)
    assert caught.value.path == "Chain[1].Residual.Chain[0].Dropout"
    assert isinstance(caught.value, ValueError)


def test_two_dropouts_of_a_model_draw_apart():
    model = fn.Parallel(fn.Dropout(0.5), fn.Dropout(0.5))
    (a, b), _ = model.apply(((), ()), (), MANY, key=jax.random.key(0), train=True)
    assert (np.asarray(a) != np.asarray(b)).mean() > 0.4


# Parts of a batch, along an axis that has a name.


def over_parts(layer, params, state, x, key):
    """The layer's output and state with the batch in four parts, under vmap."""
    parts = x.reshape(4, -1, *x.shape[1:])

    def one(part):
        return layer.apply(params, state, part, key=key, train=True)

    y, state = jax.vmap(one, axis_name="part")(parts)
    return y.reshape(x.shape), jax.tree.map(lambda a: a[0], state)


@pytest.mark.parametrize(
    "layer",
    a_share(
        [
            fn.BatchNorm(momentum=0.5),
            fn.Dropout(0.4, broadcast_dims=[0]),
            fn.Dropout(0.4),
            fn.DropPath(0.4),
            fn.SpatialDropout(0.4),
        ],
        3,
        1,
    ),
    ids=repr,
)
def test_parts_of_a_batch_are_treated_as_the_whole(layer):
    x = jax.random.normal(jax.random.key(0), (16, 3, 5)) + 1
    named = dataclasses.replace(layer, axis_name="part")
    params, state = named.init(jax.random.key(1), x)
    key, weights = jax.random.key(2), jnp.arange(x.size).reshape(x.shape) / x.size

    def whole(params, x):
        y, new = layer.apply(params, state, x, key=key, train=True)
        return (y * weights).sum(), (y, new)

    def in_parts(params, x):
        y, new = over_parts(named, params, state, x, key)
        return (y * weights).sum(), (y, new)

    wanted, got = (
        jax.grad(f, (0, 1), has_aux=True)(params, x) for f in (whole, in_parts)
    )
    chex.assert_trees_all_close(got, wanted, atol=1e-5)
    if not isinstance(layer, fn.BatchNorm) and not getattr(layer, "broadcast_dims", ()):
        without = over_parts(layer, params, state, x, key)[0]
        assert not np.allclose(without, wanted[1][0])  # each part has the same mask


def test_axis_names_are_hashable():
    assert hash(fn.BatchNorm(axis_name=["data", "model"]))
    assert fn.Dropout(0.1, axis_name="data") != fn.Dropout(0.1)
