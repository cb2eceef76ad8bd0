from funcnn.ops._recurrence._gru import gru as gru
from funcnn.ops._recurrence._linear_recurrence import (
    linear_recurrence as linear_recurrence,
)
from funcnn.ops._recurrence._lstm import lstm as lstm
from funcnn.ops._recurrence._min_gru import min_gru as min_gru
from funcnn.ops._recurrence._rnn import rnn as rnn
