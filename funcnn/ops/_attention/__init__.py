"""Attention, and how queries and keys are told their positions."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
