"""Attention layers."""

import flax.linen as nn
import jax.numpy as jnp
from peer_table import layers

import funcnn as fn

X = (2, 5, 8)


class Causal(nn.MultiHeadDotProductAttention):
    """Flax takes the mask where it is called."""

    def __call__(self, x):
        return super().__call__(x, mask=nn.make_causal_mask(jnp.ones(x.shape[:-1])))


# Without biases: that of the keys has a gradient of 0, of which both have but rounding.
OPTIONS = {"use_bias": False}
PEERS = {
    "multi-head attention": layers(
        fn.MultiHeadAttention(4, **OPTIONS),
        nn.MultiHeadDotProductAttention(num_heads=4, **OPTIONS),
        X,
    ),
    "causal attention": layers(
        fn.MultiHeadAttention(2, causal=True, **OPTIONS),
        Causal(num_heads=2, **OPTIONS),
        X,
    ),
    "attention of other features": layers(
        fn.MultiHeadAttention(4, head_dim=3, **OPTIONS),
        nn.MultiHeadDotProductAttention(num_heads=4, qkv_features=12, **OPTIONS),
        X,
    ),
}
