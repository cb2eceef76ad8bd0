"""Ops: pure functions of arrays, each with a gradient written by hand."""

from funcnn.ops._affine import affine as affine
from funcnn.ops._avg_pool import avg_pool as avg_pool
from funcnn.ops._batch_norm import batch_norm as batch_norm
from funcnn.ops._batch_norm_inference import (
    batch_norm_inference as batch_norm_inference,
)
from funcnn.ops._binary_affine import binary_affine as binary_affine
from funcnn.ops._binary_cross_entropy import (
    binary_cross_entropy as binary_cross_entropy,
)
from funcnn.ops._conv import conv as conv
from funcnn.ops._dropout import dropout as dropout
from funcnn.ops._embedding import embedding as embedding
from funcnn.ops._layer_norm import layer_norm as layer_norm
from funcnn.ops._log_softmax import log_softmax as log_softmax
from funcnn.ops._max_pool import max_pool as max_pool
from funcnn.ops._moments import moments as moments
from funcnn.ops._pointwise import gelu as gelu
from funcnn.ops._pointwise import leaky_relu as leaky_relu
from funcnn.ops._pointwise import log_sigmoid as log_sigmoid
from funcnn.ops._pointwise import relu as relu
from funcnn.ops._pointwise import sigmoid as sigmoid
from funcnn.ops._pointwise import silu as silu
from funcnn.ops._pointwise import softplus as softplus
from funcnn.ops._pointwise import tanh as tanh
from funcnn.ops._sigmoid_cross_entropy import (
    sigmoid_cross_entropy as sigmoid_cross_entropy,
)
from funcnn.ops._softmax import softmax as softmax
from funcnn.ops._softmax_cross_entropy import (
    softmax_cross_entropy as softmax_cross_entropy,
)
from funcnn.ops._squared_error import squared_error as squared_error
