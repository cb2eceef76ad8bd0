"""Functions of one number, applied to every entry."""

from funcnn.ops._pointwise._pointwise import gelu as gelu
from funcnn.ops._pointwise._pointwise import leaky_relu as leaky_relu
from funcnn.ops._pointwise._pointwise import log_sigmoid as log_sigmoid
from funcnn.ops._pointwise._pointwise import relu as relu
from funcnn.ops._pointwise._pointwise import sigmoid as sigmoid
from funcnn.ops._pointwise._pointwise import silu as silu
from funcnn.ops._pointwise._pointwise import softplus as softplus
from funcnn.ops._pointwise._pointwise import tanh as tanh
