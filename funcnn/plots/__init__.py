"""Pictures of data, training and gradients: figures, and text for the terminal.

Every function takes data and returns the picture; none writes a file, prints or
opens a window. Matplotlib and Plotille come with `pip install "funcnn[cli]"` and are
imported only when a picture is drawn.
"""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
