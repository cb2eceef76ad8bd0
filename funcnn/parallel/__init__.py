"""Meshes and shardings, and compiling for accelerators that are not here."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
