"""Neural networks as pure functions in JAX, every gradient written by hand.

Ops (`funcnn.ops`) are pure functions of arrays with hand-written gradients, layers
(`funcnn.layers`) hyperparameters with pure `init` and `apply`; both are here at the
top as well. `funcnn.training` has the jitted step and a loop around it, `funcnn.data`
what to train on, and `funcnn.gradients` the tools that tell whether a gradient is
right.
"""

import importlib
from typing import TYPE_CHECKING, Any

from funcnn import data as data
from funcnn import layers as layers
from funcnn import models as models
from funcnn import ops as ops
from funcnn import training as training
from funcnn._version import __version__ as __version__
from funcnn.errors import DtypeError as DtypeError
from funcnn.errors import LayerError as LayerError
from funcnn.errors import MissingKeyError as MissingKeyError
from funcnn.errors import ShapeError as ShapeError
from funcnn.layers import *
from funcnn.ops import *
from funcnn.rules import rule as rule

if TYPE_CHECKING:
    from funcnn import gradients as gradients
    from funcnn import plots as plots
    from funcnn.gradients import *

# Imported when they are first asked for: training needs neither.
_LAZY = ("gradients", "plots")


def __getattr__(name: str) -> Any:
    """The rooms that are imported when asked for, and the gradient tools."""
    if name in _LAZY:
        return importlib.import_module(f"funcnn.{name}")
    if not name.startswith("_"):
        gradients = importlib.import_module("funcnn.gradients")
        if hasattr(gradients, name):
            return getattr(gradients, name)
    raise AttributeError(f"module 'funcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """All that can be asked for."""
    gradients = importlib.import_module("funcnn.gradients")
    tools = [name for name in dir(gradients) if not name.startswith("_")]
    return sorted({*globals(), *_LAZY, *tools})
