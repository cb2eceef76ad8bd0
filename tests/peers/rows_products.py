"""Affine layers and embeddings."""

import flax.linen as nn
import numpy as np
from peer_table import layers

import funcnn as fn

IDS = np.array([[0, 6, 2], [2, 2, 5]], np.int32)

PEERS = {
    "dense": layers(fn.Dense(4), nn.Dense(4), (2, 3, 5)),
    "embedding": layers(fn.Embed(7, 4), nn.Embed(7, 4), IDS),
}
