"""Distributions over an axis, their logarithms, and samples of them."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
