"""Functions of one number, applied to every entry."""

from funcnn.ops._pointwise._algebraic import hard_silu as hard_silu
from funcnn.ops._pointwise._algebraic import hard_swish as hard_swish
from funcnn.ops._pointwise._algebraic import relu_squared as relu_squared
from funcnn.ops._pointwise._algebraic import soft_sign as soft_sign
from funcnn.ops._pointwise._algebraic import squareplus as squareplus
from funcnn.ops._pointwise._exponential import celu as celu
from funcnn.ops._pointwise._exponential import elu as elu
from funcnn.ops._pointwise._exponential import log_sigmoid as log_sigmoid
from funcnn.ops._pointwise._exponential import mish as mish
from funcnn.ops._pointwise._exponential import selu as selu
from funcnn.ops._pointwise._exponential import sigmoid as sigmoid
from funcnn.ops._pointwise._exponential import silu as silu
from funcnn.ops._pointwise._exponential import softplus as softplus
from funcnn.ops._pointwise._exponential import tanh as tanh
from funcnn.ops._pointwise._gelu import gelu as gelu
from funcnn.ops._pointwise._logarithmic import log1mexp as log1mexp
from funcnn.ops._pointwise._logarithmic import log_cosh as log_cosh
from funcnn.ops._pointwise._logarithmic import xlogx as xlogx
from funcnn.ops._pointwise._pointwise import hard_sigmoid as hard_sigmoid
from funcnn.ops._pointwise._pointwise import hard_tanh as hard_tanh
from funcnn.ops._pointwise._pointwise import leaky_relu as leaky_relu
from funcnn.ops._pointwise._pointwise import relu as relu
from funcnn.ops._pointwise._pointwise import relu6 as relu6
from funcnn.ops._pointwise._trigonometric import sin as sin
from funcnn.ops._pointwise._trigonometric import sinc as sinc
