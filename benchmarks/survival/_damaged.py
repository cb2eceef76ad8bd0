"""Folders that are changed, full, used by others, or of another run."""

import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable

from benchmarks.survival._runs import Workplace, needed, wait_for


def changed_bytes(place: Workplace) -> str:
    """One byte changed, in each file of the newest checkpoint in turn."""

    def change(file: pathlib.Path) -> None:
        content = bytearray(file.read_bytes())
        content[random.Random(file.name).randrange(len(content))] ^= 1
        file.write_bytes(content)

    return _each_file(place, "changed", change)


def missing_files(place: Workplace) -> str:
    """Each file of the newest checkpoint missing in turn."""
    return _each_file(place, "missing", pathlib.Path.unlink)


def _each_file(
    place: Workplace, name: str, damage: Callable[[pathlib.Path], None]
) -> str:
    template = _half(place)
    newest = _checkpoints(template)[-1]
    files = sorted(p.relative_to(newest) for p in newest.rglob("*") if p.is_file())
    for number, file in enumerate(files):
        out = _copy(template, place.new(f"{name}-{number}"))
        damage(_checkpoints(out)[-1] / file)
        said = place.same(out)
        needed("is left out" in said, f"{file}: no warning: {said}")
    return f"{len(files)} files: a warning names it, the one before is used; equal"


def empty_folder(place: Workplace) -> str:
    """An empty folder where the newest checkpoint should be."""
    out = _copy(_half(place), place.new("empty"))
    newest = _checkpoints(out)[-1]
    shutil.rmtree(newest)
    newest.mkdir()
    needed("is left out" in place.same(out), "no warning")
    return "a warning, the one before is used; bitwise equal"


def nothing_whole(place: Workplace) -> str:
    """All checkpoints damaged."""
    out = _copy(_half(place), place.new("nothing-whole"))
    for path in _checkpoints(out):
        (path / "progress.json").write_text("{}")
    done = place.resumed(out)
    needed(done.returncode == 1, done.stdout)
    needed("all are damaged" in done.stderr, done.stderr)
    needed("Traceback" not in done.stderr, done.stderr)
    return "refused with the reason for each; exit code 1"


def two_in_one_folder(place: Workplace) -> str:
    """A second run given the folder of one that is running."""
    out = _copy(_half(place), place.new("two"))
    run = place.run(out)
    assert run is not None
    first = place.started(out, "--resume", run)
    wait_for(
        lambda: (run / "checkpoints" / ".lock").read_text().strip() == str(first.pid),
        first,
        "the folder is held",
    )
    second = place.resumed(out)
    output, _ = first.communicate()
    needed(second.returncode == 1, second.stdout)
    needed("another run" in second.stderr, second.stderr)
    needed(first.returncode == 0, output)
    needed(place.weights(out) == place.whole, "other parameters at the end")
    return "the second is refused and names the first, which ends bitwise equal"


def other_options(place: Workplace) -> str:
    """A resume with another batch size, model or data."""
    out = _copy(_half(place), place.new("other-options"))
    for option, value in [("--batch-size", "32"), ("--model", "cnn"), ("--seed", "1")]:
        done = place.resumed(out, option, value)
        needed(done.returncode == 2, done.stdout)
        needed(option in done.stderr and value in done.stderr, done.stderr)
    done = place.resumed(out, "--data-dir", other_data(place))
    needed(done.returncode == 1, done.stdout)
    needed("train_data" in done.stderr, done.stderr)
    place.same(out)
    return "refused with what differs; with its own options, bitwise equal"


def older_version(place: Workplace) -> str:
    """A run folder made before there were checkpoints."""
    out = _copy(_half(place), place.new("older"))
    run = place.run(out)
    assert run is not None
    shutil.rmtree(run / "checkpoints")
    config = json.loads((run / "config.json").read_text())
    for name in (
        "clip",
        "accumulate",
        "precision",
        "skip_nonfinite",
        "checkpoint_every",
    ):
        del config[name]
    (run / "config.json").write_text(json.dumps(config))
    before = place.weights(out)
    done = place.resumed(out)
    needed(done.returncode == 1, done.stdout)
    needed("has no checkpoint" in done.stderr, done.stderr)
    needed(place.weights(out) == before, "its parameters were overwritten")
    needed("7 " in _predicted(place, run), "its parameters cannot be used")
    return "refused: it has no checkpoint; what it has learned stays, and is of use"


def _predicted(place: Workplace, run: pathlib.Path) -> str:
    data = other_data(place) / "t10k-images-idx3-ubyte"
    words = [sys.executable, "-m", "funcnn", "predict", str(run), str(data)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _half(place: Workplace) -> pathlib.Path:
    """A run that was ended with two checkpoints or more; made once."""
    out = place.new("half")
    if not out.exists():
        process = place.started(out)
        wait_for(lambda: len(_checkpoints(out)) >= 2, process, "two checkpoints")
        process.send_signal(signal.SIGTERM)
        process.communicate()
    return out


def _checkpoints(out: pathlib.Path) -> list[pathlib.Path]:
    paths = out.glob("*/checkpoints/[0-9]*")
    return sorted(p for p in paths if p.name.isdecimal())


def _copy(template: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    shutil.copytree(template, out)
    return out


def other_data(place: Workplace) -> pathlib.Path:
    """The digits in IDX files, with one pixel changed."""
    import numpy as np

    import funcnn as fn

    folder = place.new("data")
    folder.mkdir(exist_ok=True)
    digits = fn.data.digits()
    for prefix, (images, labels) in [("train", digits.train), ("t10k", digits.test)]:
        pixels = np.round(images[..., 0] * 255).astype(np.uint8)
        pixels[0, 0, 0] ^= 1
        for name, array in [("images-idx3", pixels), ("labels-idx1", labels)]:
            bytes_ = array.astype(np.uint8)
            head = bytes([0, 0, 8, bytes_.ndim])
            sizes = np.asarray(bytes_.shape, ">u4").tobytes()
            file = folder / f"{prefix}-{name}-ubyte"
            file.write_bytes(head + sizes + bytes_.tobytes())
    return folder
