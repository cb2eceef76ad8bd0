"""Distributions over the last axis."""

from funcnn.ops._probabilities._log_softmax import log_softmax as log_softmax
from funcnn.ops._probabilities._softmax import softmax as softmax
