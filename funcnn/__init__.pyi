from funcnn import data as data
from funcnn import errors as errors
from funcnn import gradients as gradients
from funcnn import layers as layers
from funcnn import models as models
from funcnn import ops as ops
from funcnn import parallel as parallel
from funcnn import plots as plots
from funcnn import rules as rules
from funcnn import training as training
from funcnn._version import __version__ as __version__
from funcnn.errors import DtypeError as DtypeError
from funcnn.errors import LayerError as LayerError
from funcnn.errors import MissingKeyError as MissingKeyError
from funcnn.errors import ShapeError as ShapeError
from funcnn.gradients import *
from funcnn.layers import *
from funcnn.ops import *
from funcnn.rules import rule as rule
