"""Training: one jitted, donated step, and a plain loop around it."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
