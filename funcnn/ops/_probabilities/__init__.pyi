from funcnn.ops._probabilities._entmax import entmax15 as entmax15
from funcnn.ops._probabilities._entmax import sparsemax as sparsemax
from funcnn.ops._probabilities._gumbel_softmax import gumbel_softmax as gumbel_softmax
from funcnn.ops._probabilities._log_softmax import log_softmax as log_softmax
from funcnn.ops._probabilities._logsumexp import logsumexp as logsumexp
from funcnn.ops._probabilities._softmax import softmax as softmax
