"""Axes of space that change their extents: resizing, and pools over what is there."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
