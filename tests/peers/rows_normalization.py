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
    "rms norm": layers(fn.RMSNorm(eps=1e-4), nn.RMSNorm(epsilon=1e-4), (3, 5, 8)),
    "group norm": layers(
        fn.GroupNorm(3, eps=1e-4), nn.GroupNorm(num_groups=3, epsilon=1e-4), IMAGE
    ),
    "instance norm": layers(
        fn.InstanceNorm(eps=1e-4), nn.InstanceNorm(epsilon=1e-4), IMAGE
    ),
    "batch norm": layers(fn.BatchNorm(), nn.BatchNorm(use_running_average=True), IMAGE),
}
