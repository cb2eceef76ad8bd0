"""Ops: pure functions of arrays, each with a gradient written by hand."""

from funcnn.ops._attention import *
from funcnn.ops._convolution import *
from funcnn.ops._gated import *
from funcnn.ops._implicit import *
from funcnn.ops._losses import *
from funcnn.ops._normalization import *
from funcnn.ops._pointwise import *
from funcnn.ops._probabilities import *
from funcnn.ops._products import *
from funcnn.ops._recurrence import *
from funcnn.ops._regularization import *
from funcnn.ops._resizing import *
from funcnn.ops._reversible import *
from funcnn.ops._surrogates import *
