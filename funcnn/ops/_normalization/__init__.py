"""Statistics, and what brings arrays to mean 0 and variance 1."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
