"""Neural networks as pure functions in JAX, every gradient written by hand."""

from funcnn._version import __version__ as __version__
from funcnn.errors import LayerError as LayerError
from funcnn.errors import MissingKeyError as MissingKeyError
from funcnn.errors import ShapeError as ShapeError
from funcnn.layers import *
from funcnn.ops import *
from funcnn.rules import rule as rule
