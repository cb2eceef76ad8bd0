"""Normalization layers."""

import flax.linen as nn
from peer_table import layers

import funcnn as fn

IMAGE = (3, 5, 4, 6)

PEERS = {
    "layer norm": layers(fn.LayerNorm(eps=1e-4), nn.LayerNorm(epsilon=1e-4), (3, 5, 8)),
    "batch norm in training": layers(
        fn.BatchNorm(momentum=0.9),
        nn.BatchNorm(use_running_average=False, momentum=0.9),
        IMAGE,
        train=True,
    ),
    "batch norm": layers(fn.BatchNorm(), nn.BatchNorm(use_running_average=True), IMAGE),
}
