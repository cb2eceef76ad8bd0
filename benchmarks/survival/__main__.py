"""``python -m benchmarks.survival``."""

import typer

from benchmarks.survival._command import survival

if __name__ == "__main__":
    typer.run(survival)
