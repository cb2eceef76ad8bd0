"""Windows that slide over axes of space: convolution and pooling."""

from funcnn.ops._convolution._avg_pool import avg_pool as avg_pool
from funcnn.ops._convolution._conv import conv as conv
from funcnn.ops._convolution._max_pool import max_pool as max_pool
