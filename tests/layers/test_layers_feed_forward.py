"""Feed-forward layers: the formulas, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnn as fn

X = jax.random.normal(jax.random.key(0), (4, 3))


def test_a_gated_layer_is_the_formula():
    layer = fn.GatedFeedForward(
        5, use_bias=True, bias_init=jax.nn.initializers.normal()
    )
    params, state = layer.init(jax.random.key(1), X)
    y, _ = layer.apply(params, state, X)
    up, down = params["up"], params["down"]
    values, gates = jnp.split(X @ up["kernel"] + up["bias"], 2, axis=-1)
    expected = (values * jax.nn.silu(gates)) @ down["kernel"] + down["bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "layer", [fn.GatedFeedForward(5, fn.relu), fn.FeedForward(6, fn.swiglu)]
)
def test_an_activation_of_the_other_kind_is_named(layer):
    params, state = layer.init(jax.random.key(1), X)
    with pytest.raises(
        fn.ShapeError, match=r"FeedForward: .* features, got \(4, \d+\)"
    ):
        layer.apply(params, state, X)
