"""Statistics, and what brings arrays to mean 0 and variance 1."""

from funcnn.ops._normalization._batch_norm import batch_norm as batch_norm
from funcnn.ops._normalization._batch_norm_inference import (
    batch_norm_inference as batch_norm_inference,
)
from funcnn.ops._normalization._layer_norm import layer_norm as layer_norm
from funcnn.ops._normalization._moments import moments as moments
