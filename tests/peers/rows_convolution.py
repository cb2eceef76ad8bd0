"""Convolutions and pools."""

import flax.linen as nn
from flax.linen import pooling
from peer_table import Peer, layers

import funcnn as fn

IMAGE, LINE = (2, 9, 8, 6), (2, 11, 4)

PEERS = {
    "conv": layers(fn.Conv(5, (3, 2)), nn.Conv(5, (3, 2)), IMAGE),
    "conv, stride": layers(
        fn.Conv(5, (3, 3), stride=2), nn.Conv(5, (3, 3), strides=2), IMAGE
    ),
    "conv, dilation": layers(
        fn.Conv(5, (3, 2), dilation=(2, 3), padding="VALID"),
        nn.Conv(5, (3, 2), kernel_dilation=(2, 3), padding="VALID"),
        IMAGE,
    ),
    "conv, groups": layers(
        fn.Conv(4, (3, 3), groups=2, padding=((1, 0), (0, 2)), use_bias=False),
        nn.Conv(
            4,
            (3, 3),
            feature_group_count=2,
            padding=((1, 0), (0, 2)),
            use_bias=False,
        ),
        IMAGE,
    ),
    "conv, stride and dilation and groups": layers(
        fn.Conv(6, (3,), stride=3, dilation=2, groups=2),
        nn.Conv(6, (3,), strides=3, kernel_dilation=2, feature_group_count=2),
        LINE,
    ),
    "causal conv": layers(
        fn.CausalConv(3, 3, dilation=2),
        nn.Conv(3, (3,), kernel_dilation=2, padding="CAUSAL"),
        LINE,
    ),
    "depthwise conv": layers(
        fn.DepthwiseConv((3, 3), multiplier=2, stride=2),
        nn.Conv(12, (3, 3), strides=2, feature_group_count=6),
        IMAGE,
    ),
    "conv transpose": layers(
        fn.ConvTranspose(5, (3, 2), stride=2),
        nn.ConvTranspose(5, (3, 2), strides=(2, 2)),
        IMAGE,
    ),
    "conv transpose, stride above the kernel": layers(
        fn.ConvTranspose(5, (2, 3), stride=(3, 4), padding="VALID"),
        nn.ConvTranspose(5, (2, 3), strides=(3, 4), padding="VALID"),
        IMAGE,
    ),
    "conv transpose, dilation": layers(
        fn.ConvTranspose(5, (3,), stride=3, dilation=2, padding=[(1, 4)]),
        nn.ConvTranspose(5, (3,), strides=(3,), kernel_dilation=(2,), padding=[(1, 4)]),
        LINE,
    ),
    "average pool": Peer(
        lambda x: fn.avg_pool(x, (3, 2), stride=2, padding="SAME"),
        lambda x: nn.avg_pool(x, (3, 2), strides=(2, 2), padding="SAME"),
        (IMAGE,),
    ),
    "average pool, padding left out": Peer(
        lambda x: fn.avg_pool(x, (3, 2), padding="SAME", count_include_pad=False),
        lambda x: nn.avg_pool(
            x, (3, 2), strides=(3, 2), padding="SAME", count_include_pad=False
        ),
        (IMAGE,),
    ),
    "max pool": Peer(
        lambda x: fn.max_pool(x, 3, stride=2, padding="SAME"),
        lambda x: nn.max_pool(x, (3, 3), strides=(2, 2), padding="SAME"),
        (IMAGE,),
    ),
    "min pool": Peer(
        lambda x: fn.min_pool(x, (2, 3)),
        lambda x: pooling.min_pool(x, (2, 3), strides=(2, 3)),
        (IMAGE,),
    ),
}
