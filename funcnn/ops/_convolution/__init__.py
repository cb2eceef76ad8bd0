"""Windows that slide over axes of space: convolution and pooling."""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
