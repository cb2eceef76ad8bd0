"""Neural networks as pure functions in JAX, every gradient written by hand.

Ops (`funcnn.ops`) are pure functions of arrays with hand-written gradients, layers
(`funcnn.layers`) hyperparameters with pure `init` and `apply`; both are here at the
top as well. `funcnn.training` has the jitted step and a loop around it, `funcnn.data`
what to train on, and `funcnn.gradients` the tools that tell whether a gradient is
right.
"""

from funcnn import data as data
from funcnn import gradients as gradients
from funcnn import layers as layers
from funcnn import models as models
from funcnn import ops as ops
from funcnn import plots as plots
from funcnn import training as training
from funcnn._version import __version__ as __version__
from funcnn.errors import DtypeError as DtypeError
from funcnn.errors import LayerError as LayerError
from funcnn.errors import MissingKeyError as MissingKeyError
from funcnn.errors import ShapeError as ShapeError
from funcnn.gradients import Report as Report
from funcnn.gradients import autodiff as autodiff
from funcnn.gradients import compare_gradients as compare_gradients
from funcnn.layers import *
from funcnn.ops import *
from funcnn.rules import rule as rule
