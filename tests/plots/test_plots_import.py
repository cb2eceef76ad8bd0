"""Importing the room is cheap; drawing leaves no global state."""

import subprocess
import sys

LAZY = """
import sys
import funcnn.plots
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"matplotlib", "plotille"}))
"""

NO_PYPLOT = """
import sys
import funcnn.plots as plots
history = [{"epoch": 1, "train_loss": 0.5}]
plots.learning_curves(history)
plots.image_grid([[[0.0]]], ["a"])
plots.terminal_curves(history)
plots.terminal_scatter({"a": [[1, 2]]}, x_label="x", y_label="y")
plots.lines({"a": ([1], [1])}, x_label="x", y_label="y")
plots.guesses([[[0.0]]], [1], [0])
plots.decision_boundary(lambda points: points[:, 0] * 0, [[1, 2]], [1], resolution=2)
plots.gradient_agreement([1.0], [1.0])
plots.slope_errors([1.0], {"a": [1.0]}, [1.0])
plots.residual_bytes({"a": (1, 2)})
print([name in sys.modules for name in ("matplotlib.pyplot", "matplotlib", "plotille")])
"""


def run(program):
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_import_loads_neither_matplotlib_nor_plotille():
    assert run(LAZY) == "[]"


def test_drawing_never_loads_pyplot():
    assert run(NO_PYPLOT) == "[False, True, True]"
