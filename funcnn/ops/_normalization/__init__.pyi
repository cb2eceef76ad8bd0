from funcnn.ops._normalization._batch_norm import batch_norm as batch_norm
from funcnn.ops._normalization._batch_norm_inference import (
    batch_norm_inference as batch_norm_inference,
)
from funcnn.ops._normalization._group_norm import group_norm as group_norm
from funcnn.ops._normalization._group_norm import instance_norm as instance_norm
from funcnn.ops._normalization._layer_norm import layer_norm as layer_norm
from funcnn.ops._normalization._moments import moments as moments
from funcnn.ops._normalization._rms_norm import add_rms_norm as add_rms_norm
from funcnn.ops._normalization._rms_norm import rms_norm as rms_norm
from funcnn.ops._normalization._spectral_norm import spectral_norm as spectral_norm
from funcnn.ops._normalization._unit_norm import unit_norm as unit_norm
from funcnn.ops._normalization._weight_norm import weight_norm as weight_norm
