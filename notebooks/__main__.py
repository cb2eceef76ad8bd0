"""Runs the notebooks from top to bottom, each in a fresh kernel.

``python -m notebooks`` runs all of them and writes their outputs back;
``python -m notebooks NAME.ipynb ...`` those that are named. With ``--check`` nothing
is written. It exits with 1 when a cell fails, or writes to its standard error.
"""

import argparse
import concurrent.futures
import functools
import os
import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = pathlib.Path(__file__).parent
SECONDS = 300  # for one cell
# What every version of every tool would write differently.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def _environment() -> dict[str, str]:
    """With the import path of this process: a kernel starts in another folder."""
    paths = [str(pathlib.Path(p or ".").resolve()) for p in sys.path]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def executed(path: pathlib.Path) -> nbformat.NotebookNode:
    """The notebook with new outputs.

    Raises:
      CellExecutionError: with the cell, when one fails.
      RuntimeError: when a cell writes to its standard error, as warnings do.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )
    client.execute(env=_environment())
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise RuntimeError(
                    f"this cell wrote to its standard error:\n{cell.source}\n"
                    f"------------------\n{output.text}"
                )
    notebook.metadata = METADATA
    return notebook


def run(path: pathlib.Path, check: bool) -> tuple[str, str]:
    """What is to be said of a notebook, and its fault, which may be empty."""
    start = time.monotonic()
    try:
        notebook = executed(path)
    except (CellExecutionError, RuntimeError, TimeoutError) as error:
        return f"{path.name}: failed", str(error)
    if not check:
        nbformat.write(notebook, path)
    return f"{path.name}: {time.monotonic() - start:.1f} s", ""


def main() -> int:
    """The command; 1 where a notebook fails."""
    parser = argparse.ArgumentParser(prog="python -m notebooks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME.ipynb", help="these only")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument(
        "--jobs", type=int, default=1, help="at the same time; times in them suffer"
    )
    given = parser.parse_args()
    paths = [FOLDER / pathlib.Path(name).name for name in given.names]
    paths = paths or sorted(FOLDER.glob("*.ipynb"))
    for path in paths:
        if not path.is_file():
            parser.error(f"no notebook {path.name} in {FOLDER}")
    failed = False
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for line, fault in pool.map(functools.partial(run, check=given.check), paths):
            failed |= bool(fault)
            print(line, fault, sep="\n" if fault else "", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
