"""Gradients that differ from the derivative on purpose, each declared."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
