"""Units of which one half of the pre-activations opens or shuts the other."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
