"""Many devices and hosts, and devices that are not here to compile for."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
