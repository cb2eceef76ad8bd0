"""The layers that normalize the kernel of another, and group and instance norm."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnn as fn

KEY = jax.random.key(0)
DRAWN = np.random.default_rng(0).normal(2, 3, (5, 4, 6)).astype(np.float32)


def lengths(kernel):
    return np.sqrt((np.asarray(kernel) ** 2).sum(tuple(range(kernel.ndim - 1))))


def test_weight_norm_starts_as_the_layer_alone():
    inner = fn.Conv(3, (2,))
    params, state = fn.WeightNorm(inner).init(KEY, DRAWN)
    alone, _ = inner.init(KEY, DRAWN)
    np.testing.assert_allclose(params["scale"], lengths(alone["kernel"]), rtol=1e-6)
    with jax.enable_x64(True):  # so that small entries, too, are held to their digits
        kernel = alone["kernel"].astype(float)
        params = params | {"kernel": kernel, "scale": jnp.asarray(lengths(kernel))}
        y, _ = fn.WeightNorm(inner).apply(params, state, DRAWN.astype(float))
        expected, _ = inner.apply(alone | {"kernel": kernel}, (), DRAWN.astype(float))
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_weight_norm_s_layer_does_not_feel_the_length_of_its_kernel():
    layer = fn.WeightNorm(fn.Dense(3))
    params, _ = layer.init(KEY, DRAWN)
    longer = {**params, "kernel": 7 * params["kernel"]}
    same, _ = layer.apply(longer, (), DRAWN)
    np.testing.assert_allclose(same, layer.apply(params, (), DRAWN)[0], rtol=1e-4)


def test_spectral_norm_in_training_reaches_singular_value_1_and_then_stays():
    layer = fn.SpectralNorm(fn.Dense(6, use_bias=False))
    params, state = layer.init(KEY, DRAWN)
    assert np.sum(state["u"] ** 2) == pytest.approx(1)
    eye = jnp.eye(6)

    @jax.jit
    def step(state):
        return layer.apply(params, state, eye, train=True)

    for _ in range(100):
        y, state = step(state)
    assert np.linalg.norm(y, 2) == pytest.approx(1, rel=1e-4)
    again, kept = layer.apply(params, state, eye)
    chex.assert_trees_all_equal(kept, state)
    np.testing.assert_allclose(again, y, atol=1e-5)


def test_group_and_instance_norm_are_their_ops_with_their_parameters():
    params = {"scale": jnp.arange(1.0, 7), "bias": jnp.arange(6.0)}
    args = (DRAWN, *params.values())
    y, _ = fn.GroupNorm(2, eps=0.1).apply(params, (), DRAWN)
    np.testing.assert_array_equal(y, fn.group_norm(*args, 2, eps=0.1))
    y, _ = fn.InstanceNorm(eps=0.1).apply(params, (), DRAWN)
    np.testing.assert_array_equal(y, fn.instance_norm(*args, eps=0.1))
    y, _ = fn.RMSNorm(eps=0.1).apply(params, (), DRAWN)
    np.testing.assert_array_equal(y, fn.rms_norm(*args[:2], eps=0.1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fn.GroupNorm(0), "GroupNorm: groups must be 1 or more, got 0"),
        (
            lambda: fn.GroupNorm(4).init(KEY, DRAWN),
            r"GroupNorm: groups=4 .*\(5, 4, 6\)",
        ),
        (lambda: fn.InstanceNorm().init(KEY, DRAWN[0, 0]), "InstanceNorm: needs x"),
        (lambda: fn.WeightNorm(fn.LayerNorm()).init(KEY, DRAWN), "WeightNorm: needs a"),
        (
            lambda: fn.SpectralNorm(fn.BatchNorm()).init(KEY, DRAWN),
            "SpectralNorm: need",
        ),
        (lambda: fn.SpectralNorm(fn.Dense(2), 0), "SpectralNorm: needs n_steps >= 1"),
        (
            lambda: fn.SpectralNorm(fn.Dense(2)).apply({}, (), DRAWN),
            "SpectralNorm: needs a state with u",
        ),
        (
            lambda: fn.Chain(fn.WeightNorm(fn.Dense(2))).init(KEY, jnp.ones(())),
            r"Chain\[0\].WeightNorm.Dense: needs x",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, words):
    with pytest.raises(fn.LayerError, match=words):
        call()
