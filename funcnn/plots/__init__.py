"""Pictures of data, training and gradients: figures, and text for the terminal.

Every function takes data and returns the picture; none writes a file, prints or
opens a window. Matplotlib and Plotille come with `pip install "funcnn[cli]"` and are
imported only when a picture is drawn.
"""

from funcnn.plots.agreement import gradient_agreement
from funcnn.plots.boundary import decision_boundary
from funcnn.plots.curves import learning_curves
from funcnn.plots.images import guesses, image_grid
from funcnn.plots.residuals import residual_bytes
from funcnn.plots.scatter import terminal_scatter
from funcnn.plots.series import lines
from funcnn.plots.slopes import slope_errors
from funcnn.plots.terminal import terminal_curves, terminal_lines

__all__ = [
    "decision_boundary",
    "gradient_agreement",
    "guesses",
    "image_grid",
    "learning_curves",
    "lines",
    "residual_bytes",
    "slope_errors",
    "terminal_curves",
    "terminal_lines",
    "terminal_scatter",
]
