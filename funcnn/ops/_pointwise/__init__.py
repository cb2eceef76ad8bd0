"""Functions of one number, applied to every entry."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
