"""Windows that slide over axes of space: convolution and pooling."""

from funcnn.ops._convolution._avg_pool import avg_pool as avg_pool
from funcnn.ops._convolution._conv import conv as conv
from funcnn.ops._convolution._max_pool import max_pool as max_pool
from funcnn.ops._convolution._max_pool import min_pool as min_pool
from funcnn.ops._convolution._power_mean_pool import power_mean_pool as power_mean_pool
