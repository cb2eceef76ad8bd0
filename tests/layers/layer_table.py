"""One of every layer, with an input that it takes."""

import functools

import jax
import jax.numpy as jnp
from jax.nn import initializers

import funcnn as fn


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, jnp.dtype(dtype))


IMAGE = shape(2, 6, 5, 4)
# name: (layer, input, output's shape, shapes of parameters, shapes of state)
LAYERS = {
    "Dense": (
        fn.Dense(3),
        shape(2, 4),
        (2, 3),
        {"kernel": (4, 3), "bias": (3,)},
        (),
    ),
    "Dense of a single example": (
        fn.Dense(3, use_bias=False),
        shape(4),
        (3,),
        {"kernel": (4, 3)},
        (),
    ),
    "Dense with initializers": (
        fn.Dense(3, kernel_init=initializers.ones, bias_init=initializers.ones),
        shape(2, 5, 4),
        (2, 5, 3),
        {"kernel": (4, 3), "bias": (3,)},
        (),
    ),
    "BinaryDense": (
        fn.BinaryDense(3, clip=0.5),
        shape(2, 4),
        (2, 3),
        {"kernel": (4, 3)},
        (),
    ),
    "Conv": (
        fn.Conv(6, (3, 2), stride=2, dilation=(1, 2), groups=2),
        IMAGE,
        (2, 3, 3, 6),
        {"kernel": (3, 2, 2, 6), "bias": (6,)},
        (),
    ),
    "Conv over one axis": (
        fn.Conv(2, [3], padding=[(0, 1)], use_bias=False),
        shape(2, 6, 3),
        (2, 5, 2),
        {"kernel": (3, 3, 2)},
        (),
    ),
    "Conv over three axes": (
        fn.Conv(2, (1, 2, 2), padding="VALID"),
        shape(1, 2, 3, 3, 1),
        (1, 2, 2, 2, 2),
        {"kernel": (1, 2, 2, 1, 2), "bias": (2,)},
        (),
    ),
    "ConvTranspose": (
        fn.ConvTranspose(6, [3, 2], stride=2, dilation=(1, 2), groups=2),
        IMAGE,
        (2, 12, 10, 6),
        {"kernel": (3, 2, 2, 6), "bias": (6,)},
        (),
    ),
    "CausalConv": (
        fn.CausalConv(6, 3, dilation=2, groups=3),
        shape(2, 6, 3),
        (2, 6, 6),
        {"kernel": (3, 1, 6), "bias": (6,)},
        (),
    ),
    "DepthwiseConv": (
        fn.DepthwiseConv((3, 2), multiplier=2, stride=2, use_bias=False),
        IMAGE,
        (2, 3, 3, 8),
        {"kernel": (3, 2, 1, 8)},
        (),
    ),
    "SeparableConv": (
        fn.SeparableConv(3, (3, 2), multiplier=2, padding="VALID", dilation=2),
        IMAGE,
        (2, 2, 3, 3),
        {
            "depthwise_kernel": (3, 2, 1, 8),
            "pointwise_kernel": (8, 3),
            "bias": (3,),
        },
        (),
    ),
    "MaxPool": (fn.MaxPool((2, 2)), IMAGE, (2, 3, 2, 4), (), ()),
    "MinPool": (fn.MinPool(2, stride=1), IMAGE, (2, 5, 4, 4), (), ()),
    "PowerMeanPool": (fn.PowerMeanPool((3, 2), p=3), IMAGE, (2, 2, 2, 4), (), ()),
    "GlobalMaxPool": (fn.GlobalMaxPool(), IMAGE, (2, 4), (), ()),
    "GlobalAvgPool": (fn.GlobalAvgPool(), IMAGE, (2, 4), (), ()),
    "AdaptiveMaxPool": (fn.AdaptiveMaxPool([4, 2]), IMAGE, (2, 4, 2, 4), (), ()),
    "AdaptiveAvgPool": (fn.AdaptiveAvgPool(3), IMAGE, (2, 3, 3, 4), (), ()),
    "Resize": (fn.Resize([9, 3], antialias=False), IMAGE, (2, 9, 3, 4), (), ()),
    "Resize nearest": (fn.Resize(4, "nearest"), IMAGE, (2, 4, 4, 4), (), ()),
    "PixelShuffle": (fn.PixelShuffle(2), IMAGE, (2, 12, 10, 1), (), ()),
    "PixelUnshuffle": (fn.PixelUnshuffle(3), shape(2, 6, 4), (2, 2, 12), (), ()),
    "AvgPool": (
        fn.AvgPool(2, stride=[1, 2], padding="SAME", count_include_pad=False),
        IMAGE,
        (2, 6, 3, 4),
        (),
        (),
    ),
    "Flatten": (fn.Flatten(), IMAGE, (2, 120), (), ()),
    "LayerNorm": (
        fn.LayerNorm(eps=1e-6),
        shape(2, 3),
        (2, 3),
        {"scale": (3,), "bias": (3,)},
        (),
    ),
    "RMSNorm": (fn.RMSNorm(eps=1e-5), shape(2, 3), (2, 3), {"scale": (3,)}, ()),
    "GroupNorm": (
        fn.GroupNorm(2),
        IMAGE,
        (2, 6, 5, 4),
        {"scale": (4,), "bias": (4,)},
        (),
    ),
    "InstanceNorm": (
        fn.InstanceNorm(eps=1e-3),
        IMAGE,
        (2, 6, 5, 4),
        {"scale": (4,), "bias": (4,)},
        (),
    ),
    "WeightNorm": (
        fn.WeightNorm(fn.Conv(6, (3, 2), groups=2)),
        IMAGE,
        (2, 6, 5, 6),
        {"kernel": (3, 2, 2, 6), "bias": (6,), "scale": (6,)},
        (),
    ),
    "SpectralNorm": (
        fn.SpectralNorm(fn.Dense(3), n_steps=2),
        shape(2, 4),
        (2, 3),
        {"kernel": (4, 3), "bias": (3,)},
        {"u": (3,)},
    ),
    "BatchNorm": (
        fn.BatchNorm(momentum=0.9),
        IMAGE,
        (2, 6, 5, 4),
        {"scale": (4,), "bias": (4,)},
        {"mean": (4,), "var": (4,)},
    ),
    "RNN": (
        fn.RNN(4, recurrent_kernel_init=initializers.ones),
        shape(2, 5, 3),
        (2, 5, 4),
        {"kernel": (3, 4), "recurrent_kernel": (4, 4), "bias": (4,)},
        (),
    ),
    "LSTM": (
        fn.LSTM(4, carry_in_state=True),
        shape(2, 5, 3),
        (2, 5, 4),
        {"kernel": (3, 16), "recurrent_kernel": (4, 16), "bias": (16,)},
        {"h": (2, 4), "c": (2, 4)},
    ),
    "GRU": (
        fn.GRU(4),
        shape(5, 3),
        (5, 4),
        {
            "kernel": (3, 12),
            "recurrent_kernel": (4, 12),
            "bias": (12,),
            "recurrent_bias": (4,),
        },
        (),
    ),
    "GRU from the end": (
        fn.GRU(2, use_bias=False, reverse=True),
        shape(2, 5, 3),
        (2, 5, 2),
        {"kernel": (3, 6), "recurrent_kernel": (2, 6)},
        (),
    ),
    "MinGRU": (
        fn.MinGRU(4, carry_in_state=True, positive=True),
        shape(2, 5, 3),
        (2, 5, 4),
        {"kernel": (3, 8), "bias": (8,)},
        {"h": (2, 4)},
    ),
    "Bidirectional": (
        fn.Bidirectional(fn.RNN(2)),
        shape(2, 5, 3),
        (2, 5, 4),
        ({"kernel": (3, 2), "recurrent_kernel": (2, 2), "bias": (2,)},) * 2,
        (),
    ),
    "Dropout": (fn.Dropout(0.5), shape(2, 3), (2, 3), (), ()),
    "Embed": (
        fn.Embed(7, 3),
        shape(2, 5, dtype="int32"),
        (2, 5, 3),
        {"embedding": (7, 3)},
        (),
    ),
    "MultiHeadAttention": (
        fn.MultiHeadAttention(4, kv_heads=2, causal=True, window=[2, 0], rotary=True),
        shape(2, 3, 8),
        (2, 3, 8),
        {
            "query": {"kernel": (8, 4, 2), "bias": (4, 2)},
            "key": {"kernel": (8, 2, 2), "bias": (2, 2)},
            "value": {"kernel": (8, 2, 2), "bias": (2, 2)},
            "out": {"kernel": (4, 2, 8), "bias": (8,)},
        },
        (),
    ),
    "MultiHeadAttention without batch": (
        fn.MultiHeadAttention(1, head_dim=3, use_bias=False),
        shape(3, 2),
        (3, 2),
        {
            "query": {"kernel": (2, 1, 3)},
            "key": {"kernel": (2, 1, 3)},
            "value": {"kernel": (2, 1, 3)},
            "out": {"kernel": (1, 3, 2)},
        },
        (),
    ),
    "TransformerBlock": (
        fn.TransformerBlock(fn.relu, dropout=fn.Dropout(0.5)),
        shape(2, 2),
        (2, 2),
        {
            "attention_norm": {"scale": (2,), "bias": (2,)},
            "attention": (),
            "attention_dropout": (),
            "feed_forward_norm": {"scale": (2,), "bias": (2,)},
            "feed_forward": (
                {"kernel": (2, 8), "bias": (8,)},
                (),
                {"kernel": (8, 2), "bias": (2,)},
            ),
            "feed_forward_dropout": (),
        },
        (),
    ),
    "TransformerBlock with state": (
        fn.TransformerBlock(fn.MultiHeadAttention(1), fn.relu, fn.BatchNorm()),
        shape(2, 2, 1),
        (2, 2, 1),
        {
            "attention_norm": {"scale": (1,), "bias": (1,)},
            "attention": {
                "query": {"kernel": (1, 1, 1), "bias": (1, 1)},
                "key": {"kernel": (1, 1, 1), "bias": (1, 1)},
                "value": {"kernel": (1, 1, 1), "bias": (1, 1)},
                "out": {"kernel": (1, 1, 1), "bias": (1,)},
            },
            "feed_forward_norm": {"scale": (1,), "bias": (1,)},
            "feed_forward": (),
        },
        {
            "attention_norm": {"mean": (1,), "var": (1,)},
            "attention": (),
            "feed_forward_norm": {"mean": (1,), "var": (1,)},
            "feed_forward": (),
        },
    ),
    "empty Chain": (fn.Chain(), shape(2, 3), (2, 3), (), ()),
    "Chain": (
        fn.Chain(fn.Dense(4), fn.relu, fn.Dropout(0.5), fn.Dense(1)),
        shape(2, 3),
        (2, 1),
        (
            {"kernel": (3, 4), "bias": (4,)},
            (),
            (),
            {"kernel": (4, 1), "bias": (1,)},
        ),
        (),
    ),
    "Chain with state": (
        fn.Chain(fn.Dense(4, use_bias=False), fn.BatchNorm()),
        shape(2, 3),
        (2, 4),
        ({"kernel": (3, 4)}, {"scale": (4,), "bias": (4,)}),
        ((), {"mean": (4,), "var": (4,)}),
    ),
    "Residual": (
        fn.Residual(fn.Dense(3)),
        shape(2, 3),
        (2, 3),
        ({"kernel": (3, 3), "bias": (3,)},),
        (),
    ),
    "Residual with shortcut": (
        fn.Residual(fn.BatchNorm(), fn.Dense(3, use_bias=False)),
        shape(2, 3),
        (2, 3),
        ({"scale": (3,), "bias": (3,)}, {"kernel": (3, 3)}),
        ({"mean": (3,), "var": (3,)}, ()),
    ),
    "Parallel": (
        fn.Parallel(fn.LayerNorm(), fn.tanh, merge=sum),
        shape(2, 3),
        (2, 3),
        ({"scale": (3,), "bias": (3,)}, ()),
        (),
    ),
    "Dropout of whole rows": (
        fn.Dropout(0.5, broadcast_dims=[-1]),
        shape(2, 3),
        (2, 3),
        (),
        (),
    ),
    "DropPath": (fn.DropPath(0.5), shape(4, 3), (4, 3), (), ()),
    "SpatialDropout": (fn.SpatialDropout(0.5), IMAGE, (2, 6, 5, 4), (), ()),
    "LoRA": (
        fn.LoRA(3, rank=2, alpha=4.0),
        shape(2, 5, 4),
        (2, 5, 3),
        {"kernel": (4, 3), "bias": (3,), "lora_a": (4, 2), "lora_b": (2, 3)},
        (),
    ),
    "QuantizedDense": (
        fn.QuantizedDense(3, bits=4, signed_input=False),
        shape(2, 4),
        (2, 3),
        {"kernel": (4, 3), "bias": (3,), "kernel_step": (), "input_step": ()},
        (),
    ),
    "Lambda": (fn.Lambda(sum, "sum of the rows"), shape(2, 3), (3,), (), ()),
    "GatedFeedForward": (
        fn.GatedFeedForward(5, fn.geglu),
        shape(2, 3),
        (2, 3),
        {"up": {"kernel": (3, 10)}, "down": {"kernel": (5, 3)}},
        (),
    ),
    "FeedForward": (
        fn.FeedForward(5, fn.relu),
        shape(2, 3),
        (2, 3),
        {
            "up": {"kernel": (3, 5), "bias": (5,)},
            "down": {"kernel": (5, 3), "bias": (3,)},
        },
        (),
    ),
    "MixtureOfExperts": (
        fn.MixtureOfExperts(fn.Dense(5), 3),
        shape(2, 4, 2),
        (2, 4, 5),
        {"router": (2, 3), "experts": {"kernel": (3, 2, 5), "bias": (3, 5)}},
        {"load_balancing_loss": ()},
    ),
    "MixtureOfExperts without limits": (
        fn.MixtureOfExperts(fn.relu, 2, top_k=1, capacity_factor=None),
        shape(2, 4),
        (2, 4),
        {"router": (4, 2), "experts": ()},
        {"load_balancing_loss": ()},
    ),
    "Repeat": (
        fn.Repeat(fn.Chain(fn.Dense(3), fn.Dropout(0.5)), 2),
        shape(2, 3),
        (2, 3),
        ({"kernel": (2, 3, 3), "bias": (2, 3)}, ()),
        (),
    ),
    "Repeat with state": (
        fn.Repeat(fn.BatchNorm(), 3, unroll=3),
        shape(2, 3),
        (2, 3),
        {"scale": (3, 3), "bias": (3, 3)},
        {"mean": (3, 3), "var": (3, 3)},
    ),
    "Remat": (
        fn.Remat(fn.Chain(fn.BatchNorm(), fn.Dropout(0.5))),
        shape(2, 3),
        (2, 3),
        ({"scale": (3,), "bias": (3,)}, ()),
        ({"mean": (3,), "var": (3,)}, ()),
    ),
}

NESTED = fn.Chain(
    fn.Conv(4, (3, 3), stride=2, use_bias=False, kernel_init=initializers.zeros),
    fn.BatchNorm(momentum=0.9, eps=0.001),
    fn.Residual(fn.Chain(fn.Conv(4, (3, 3)), fn.relu), fn.Conv(4, (1, 1))),
    fn.Parallel(
        fn.Chain(fn.Flatten(), fn.Dense(8, bias_init=initializers.ones)),
        fn.Flatten(),
        merge=functools.partial(jnp.concatenate, axis=-1),
    ),
    fn.Residual(fn.Dropout(0.1)),
    fn.LayerNorm(),
    fn.gelu,
    fn.Dense(10),
)


def shapes(tree):
    return jax.tree.map(lambda leaf: leaf.shape, tree)


def made(layer, x, seed=0):
    """Parameters, state and a random input, from one compiled program."""

    def make(key):
        params, state = layer.init(key, x)
        if jnp.issubdtype(x.dtype, jnp.floating):
            return params, state, jax.random.normal(key, x.shape, x.dtype)
        return params, state, jax.random.randint(key, x.shape, 0, 7, x.dtype)

    return jax.jit(make)(jax.random.key(seed))
