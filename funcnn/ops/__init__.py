"""Ops: pure functions of arrays, each with a gradient written by hand."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
