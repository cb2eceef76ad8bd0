"""Solutions of equations: the rule differentiates the equation, not its solver."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
