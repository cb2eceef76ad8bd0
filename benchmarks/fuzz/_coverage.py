"""A parser of ours under Atheris: ``_coverage NAME INPUTS``, for Python 3.11.

Atheris sees which branches of funcnn an input takes, and changes those that took new
ones. It prints how many of these there were, and ends with its own code and the input
in a file when one is not survived.
"""

import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("Atheris is missing: pip install 'funcnn[fuzz]', on Python 3.11")

_OURS = ["funcnn.data", "funcnn.cli", "funcnn._untrusted", "funcnn.training"]
with atheris.instrument_imports(include=_OURS):
    from benchmarks.fuzz._checkpoints import resealed
    from benchmarks.fuzz._meters import Traced
    from benchmarks.fuzz._target import Files, attempt
    from benchmarks.fuzz._targets import TARGETS


def main(name: str, inputs: int) -> None:
    """Fuzzes the main file of the parser's valid input; the others stay."""
    target, meter = TARGETS[name], Traced()
    with tempfile.TemporaryDirectory() as scratch:
        corpus, folder = Path(scratch) / "corpus", Path(scratch) / "input"
        corpus.mkdir()
        (corpus / "valid").write_bytes(target.valid[target.main])

        def survived(content: bytes) -> None:
            files: Files = resealed({**target.valid, target.main: content})
            attempt(target, files, folder, meter)

        options = [f"-atheris_runs={inputs}", "-max_len=4096", "-timeout=60"]
        options.append("-print_final_stats=1")
        atheris.Setup([sys.argv[0], *options, str(corpus)], survived)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
