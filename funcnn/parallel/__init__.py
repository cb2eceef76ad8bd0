"""Many devices and hosts: meshes, and what is where on them."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
