"""Layers: hyperparameters with pure `init` and `apply`; and their combinators."""

from funcnn.layers._chain import Chain as Chain
from funcnn.layers._conv import Conv as Conv
from funcnn.layers._dense import BinaryDense as BinaryDense
from funcnn.layers._dense import Dense as Dense
from funcnn.layers._dropout import Dropout as Dropout
from funcnn.layers._dropout import DropPath as DropPath
from funcnn.layers._dropout import SpatialDropout as SpatialDropout
from funcnn.layers._embed import Embed as Embed
from funcnn.layers._experts import MixtureOfExperts as MixtureOfExperts
from funcnn.layers._experts import load_balancing_loss as load_balancing_loss
from funcnn.layers._feed_forward import FeedForward as FeedForward
from funcnn.layers._flatten import Flatten as Flatten
from funcnn.layers._lambda import Lambda as Lambda
from funcnn.layers._layer import Layer as Layer
from funcnn.layers._lora import LoRA as LoRA
from funcnn.layers._norm import BatchNorm as BatchNorm
from funcnn.layers._norm import LayerNorm as LayerNorm
from funcnn.layers._parallel import Parallel as Parallel
from funcnn.layers._pool import AvgPool as AvgPool
from funcnn.layers._pool import MaxPool as MaxPool
from funcnn.layers._quantized import QuantizedDense as QuantizedDense
from funcnn.layers._remat import Remat as Remat
from funcnn.layers._repeat import Repeat as Repeat
from funcnn.layers._residual import Residual as Residual
from funcnn.layers._stateless import stateless as stateless
from funcnn.layers._summary import summary as summary
