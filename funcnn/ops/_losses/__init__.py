"""Losses, one for each example."""

from funcnn.ops._losses._binary_cross_entropy import (
    binary_cross_entropy as binary_cross_entropy,
)
from funcnn.ops._losses._ctc import ctc_loss as ctc_loss
from funcnn.ops._losses._sigmoid_cross_entropy import (
    sigmoid_cross_entropy as sigmoid_cross_entropy,
)
from funcnn.ops._losses._softmax_cross_entropy import (
    softmax_cross_entropy as softmax_cross_entropy,
)
from funcnn.ops._losses._squared_error import squared_error as squared_error
