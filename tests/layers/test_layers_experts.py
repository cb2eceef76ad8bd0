"""MixtureOfExperts: against a sum over all experts, capacity, and its loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layer_table import made, shape
from shares import a_share

import funcnn as fn

X = shape(4, 6, 3)


def densely(params, x, top_k):
    """What a layer without limits computes, with every row through every expert."""
    params, x = jax.device_get((params, x))
    rows = x.reshape(-1, x.shape[-1])
    scores = np.exp(np.float64(rows @ params["router"]))
    scores /= scores.sum(-1, keepdims=True)
    kernel, bias = params["experts"]["kernel"], params["experts"]["bias"]
    y = np.zeros((len(rows), kernel.shape[-1]))
    for row, score, out in zip(rows, scores, y):
        chosen = np.argsort(-score)[:top_k]
        total = score[chosen].sum() if top_k > 1 else 1
        for e in chosen:
            out += score[e] / total * (row @ kernel[e] + bias[e])
    return y.reshape(*x.shape[:-1], -1), scores


@pytest.mark.parametrize("top_k", a_share([2, 1, 3], 3))
def test_every_row_goes_to_its_best_experts(top_k):
    layer = fn.MixtureOfExperts(
        fn.Dense(2, bias_init=jax.nn.initializers.normal()), 3, top_k, None
    )
    params, state, x = made(layer, X)
    y, _ = layer.apply(params, state, x)
    np.testing.assert_allclose(y, densely(params, x, top_k)[0], rtol=1e-4, atol=1e-6)


def routed(kernel, x, **options):
    """Experts that multiply by 1, 2, ..., with a router that is given."""
    layer = fn.MixtureOfExperts(_Times(), kernel.shape[1], **options)
    factors = jnp.arange(1.0, kernel.shape[1] + 1)
    params = {"router": kernel, "experts": {"factor": factors}}
    y, state = layer.apply(params, {"load_balancing_loss": 0.0}, x)
    return y, state["load_balancing_loss"]


class _Times:
    def init(self, key, x):
        return {"factor": jnp.ones(())}, ()

    def apply(self, params, state, x, *, key=None, train=False):
        return x * params["factor"], state


SURE = 50 * jnp.eye(2)


@pytest.mark.slow
def test_rows_beyond_the_capacity_give_0_the_earlier_first():
    x = jnp.array([[1.0, 0], [1, 0], [0, 1], [1, 0]])  # three want the first expert
    y, loss = routed(SURE, x, top_k=1, capacity_factor=1.0)  # two have room
    np.testing.assert_allclose(y, [[1, 0], [1, 0], [0, 2], [0, 0]], rtol=1e-6)
    assert loss == pytest.approx(2 * (3 / 4 * 3 / 4 + 1 / 4 * 1 / 4))
    y, _ = routed(SURE, x, top_k=1, capacity_factor=1.5)
    np.testing.assert_allclose(y[3], [1, 0], rtol=1e-6)


@pytest.mark.slow
def test_first_choices_go_before_second_ones():
    x = jnp.array([[1.0, 0], [0, 1]])
    y, _ = routed(jnp.eye(2), x, top_k=2, capacity_factor=0.5)  # one row each
    share = np.e / (np.e + 1)
    np.testing.assert_allclose(y, [[share, 0], [0, 2 * share]], rtol=1e-6)


@pytest.mark.slow
def test_the_loss_is_1_where_all_is_even_and_grows_to_the_number_of_experts():
    x = jnp.array([[1.0, 0], [0, 1]] * 3)
    assert routed(SURE, x, top_k=1)[1] == pytest.approx(1)
    assert routed(SURE, x[::2], top_k=1)[1] == pytest.approx(2)
    assert routed(0 * SURE, x, top_k=2)[1] == pytest.approx(1)


def test_the_loss_is_switchs():
    layer = fn.MixtureOfExperts(fn.Dense(2), 3, top_k=2)
    params, state, x = made(layer, X)
    scores = densely(params, x, 2)[1]
    chosen = np.argsort(-scores)[:, :2]
    share = np.bincount(chosen.ravel(), minlength=3) / chosen.size
    _, state = layer.apply(params, state, x)
    wanted = 3 * (share * scores.mean(0)).sum()
    assert state["load_balancing_loss"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.slow
def test_the_losses_of_a_model_are_summed_and_teach_the_router():
    moe = fn.MixtureOfExperts(fn.Dense(3), 4, top_k=1)
    model = fn.Chain(fn.Residual(moe), fn.BatchNorm(), fn.Repeat(moe, 2))
    params, state, x = made(model, X)

    def loss(params):
        _, new = model.apply(params, state, x, train=True)
        return fn.load_balancing_loss(new), new

    gradient, new = jax.grad(loss, has_aux=True)(params)
    total = new[0][0]["load_balancing_loss"] + new[2]["load_balancing_loss"].sum()
    assert fn.load_balancing_loss(new) == pytest.approx(float(total))
    assert np.asarray(gradient[0][0]["router"]).any()
    assert np.asarray(gradient[2]["router"]).any(axis=(1, 2)).all()
    assert fn.load_balancing_loss(()) == 0


def test_descent_on_the_loss_spreads_the_rows():
    layer = fn.MixtureOfExperts(fn.Dense(2), 4, top_k=1)
    params, state, x = made(layer, shape(64, 8), seed=3)
    x = x + 3  # a preference that all rows share

    @jax.jit
    def step(params):
        loss = lambda p: fn.load_balancing_loss(layer.apply(p, state, x)[1])  # noqa: E731
        value, gradient = jax.value_and_grad(loss)(params)
        return value, jax.tree.map(lambda p, g: p - 0.03 * g, params, gradient)

    first, params = step(params)
    for _ in range(50):
        last, params = step(params)
    assert first > 1.5
    assert last < 1.05


def test_experts_draw_apart():
    layer = fn.MixtureOfExperts(fn.Dropout(0.5), 2, top_k=2, capacity_factor=None)
    params, state, _ = made(layer, shape(2, 500))
    x = jnp.ones((2, 500))
    router = {"router": 0 * params["router"], "experts": ()}
    y, _ = layer.apply(router, state, x, key=jax.random.key(0), train=True)
    # of two masks that are one, no entry would be half of what is kept
    assert set(np.unique(y)) == {0, 1, 2}


def test_an_empty_batch_gives_an_empty_output():
    layer = fn.MixtureOfExperts(fn.Dense(2), 3)
    params, state, _ = made(layer, X)
    y, state = layer.apply(params, state, jnp.zeros((0, 3)))
    assert y.shape == (0, 2)
    assert state["load_balancing_loss"] == 0


def test_no_array_of_rows_experts_and_places_is_kept():
    layer = fn.MixtureOfExperts(fn.relu, 8, top_k=2, capacity_factor=1.0)
    params, state, x = made(layer, shape(256, 16))
    run = lambda p, x: layer.apply(p, state, x)[0]  # noqa: E731
    numbers = 256 * 8 * 64  # rows x experts x capacity
    assert fn.saved_bytes(run, params, x) < numbers  # one byte each would be more


def test_what_it_refuses():
    with pytest.raises(fn.LayerError, match="MixtureOfExperts: top_k must be from 1"):
        fn.MixtureOfExperts(fn.Dense(2), 2, top_k=3)
    with pytest.raises(TypeError, match="MixtureOfExperts: got the class Dense"):
        fn.MixtureOfExperts(fn.Dense, 2)
    with pytest.raises(fn.LayerError, match="without state, got BatchNorm"):
        fn.Chain(fn.MixtureOfExperts(fn.BatchNorm(), 2)).init(jax.random.key(0), X)
    layer = fn.Chain(fn.MixtureOfExperts(fn.Dense(2), 2))
    params, state, _ = made(layer, X)
    with pytest.raises(fn.ShapeError, match=r"Chain\[0\]\.MixtureOfExperts"):
        layer.apply(params, state, jnp.ones((2, 5)))
