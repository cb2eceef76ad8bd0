"""``python -m benchmarks.sync_order``: what a run has on the disk when it names it.

A power failure takes what was written and not synced. The system calls of a real run
are traced (by strace), and followed: which files have content, and which folders names,
that a power failure could still take. What is written through a mapping of memory is no
call; a file that is written so is made longer by one, and synced after that.
"""

import pathlib
import subprocess
import sys
import tempfile

import typer

from benchmarks.sync_order._calls import calls
from benchmarks.sync_order._disk import Disk
from funcnn._tables import text_table

_CALLS = (
    "openat,open,creat,write,pwrite64,writev,ftruncate,fallocate,mkdir,mkdirat,rename,"
    "renameat,renameat2,unlink,unlinkat,rmdir,fsync,fdatasync"
)


def traced(folder: pathlib.Path, *options: str) -> Disk:
    """Follows a run of `funcnn train` that writes below the folder.

    Raises:
      subprocess.CalledProcessError: when the run, or strace, fails.
      FileNotFoundError: without strace.
    """
    folder = folder.resolve()
    log, root = folder / "calls", folder / "root"
    root.mkdir()
    words = ["--model", "mlp", "--epochs", "2", "--checkpoint-every", "50"]
    train = [sys.executable, "-m", "funcnn", "train", *words, *options]
    trace = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={_CALLS}", "-o", str(log)]
    command = [*trace, *train, "--out", str(root / "deep" / "runs")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(log) as lines:
        return Disk(root).follow(calls(lines))


def sync_order() -> None:
    """Traces a run, and says what was on the disk when it was named.

    The exit code is 1 if something was named too early, or its name was not synced.
    """
    with tempfile.TemporaryDirectory() as folder:
        disk = traced(pathlib.Path(folder))
    rows = [
        ("/".join(n.path.parts[-2:]), str(n.files), str(n.folders)) for n in disk.named
    ]
    header = ("named", "files synced before", "folders synced before")
    print(text_table(header, rows))
    fine = "each name was synced before the next one, and before anything was deleted"
    print("\n".join(disk.faults) or fine)
    if disk.faults:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(sync_order)
