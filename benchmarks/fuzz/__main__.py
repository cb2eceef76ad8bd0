"""``python -m benchmarks.fuzz``."""

import typer

from benchmarks.fuzz._command import fuzz

if __name__ == "__main__":
    typer.run(fuzz)
