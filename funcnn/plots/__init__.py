"""Pictures of training: figures for files, and text for the terminal.

Every function takes data and returns the picture; none writes a file, prints or
opens a window. Matplotlib and Plotille come with `pip install "funcnn[cli]"` and are
imported only when a picture is drawn.
"""

from funcnn.plots.curves import learning_curves
from funcnn.plots.images import image_grid
from funcnn.plots.terminal import terminal_curves, terminal_lines

__all__ = ["image_grid", "learning_curves", "terminal_curves", "terminal_lines"]
