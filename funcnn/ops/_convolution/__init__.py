"""Windows that slide over axes of space: convolution and pooling."""

from funcnn.ops._convolution._avg_pool import avg_pool as avg_pool
from funcnn.ops._convolution._conv import causal_conv as causal_conv
from funcnn.ops._convolution._conv import conv as conv
from funcnn.ops._convolution._conv_transpose import conv_transpose as conv_transpose
from funcnn.ops._convolution._depthwise_conv import depthwise_conv as depthwise_conv
from funcnn.ops._convolution._max_pool import max_pool as max_pool
from funcnn.ops._convolution._max_pool import min_pool as min_pool
from funcnn.ops._convolution._power_mean_pool import power_mean_pool as power_mean_pool
from funcnn.ops._convolution._separable_conv import separable_conv as separable_conv
