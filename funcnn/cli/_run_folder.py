"""The folder that a run writes, and later commands read."""

import dataclasses
import datetime
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from funcnn._files import make_folders, sync_folder, write_whole
from funcnn._untrusted import check_regular, parse_json, read_regular
from funcnn.data import DataError

_LONGEST = 1 << 16  # bytes of a record


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """config.json, metrics.jsonl, checkpoints, params.safetensors, and pictures."""

    path: Path

    @classmethod
    def create(cls, parent: Path, name: str, config: dict[str, Any]) -> "RunFolder":
        """Makes a folder of its own in `parent`, with the configuration in it.

        Raises:
          OSError: when that cannot be written.
        """
        make_folders(parent)
        now = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
        for number in range(1, 10_000):
            suffix = "" if number == 1 else f"-{number}"
            path = parent / f"{now}-{name}{suffix}"
            try:
                path.mkdir()
            except FileExistsError:  # a run of the same second
                continue
            sync_folder(parent)
            folder = cls(path)
            folder.write("config.json", json.dumps(config, indent=2).encode() + b"\n")
            return folder
        raise FileExistsError(0, "no name is left for a run folder", str(parent))

    @property
    def metrics(self) -> Path:
        """Where the records are, a line each."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def records(self) -> Iterator[dict[str, Any]]:
        """The records that can be read, one at a time; none when there is no file."""
        try:
            check_regular(self.metrics, self.metrics)
            with open(self.metrics, "rb") as file:
                yield from (r for r in map(_record, _lines(file)) if r is not None)
        except OSError:
            return

    @property
    def weights(self) -> Path:
        """Where the parameters are."""
        return self.path / "params.safetensors"

    def config(self) -> dict[str, Any]:
        """The run's configuration.

        Raises:
          DataError: when this is no run folder, or its configuration is damaged.
        """
        file = self.path / "config.json"
        try:
            config = parse_json(read_regular(file))
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{self.path}: no run folder: no config.json") from None
        except ValueError as error:
            raise DataError(f"{file}: not JSON: {error}") from error
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from error
        if not isinstance(config, dict):
            raise DataError(f"{file}: must hold an object")
        return config

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, whole or not at all."""
        write_whole(self.path / name, content)

    def write_figure(self, name: str, figure: Any) -> None:
        """Writes a Matplotlib figure as PNG."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
        self.write(name, buffer.getvalue())


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, but for those that are longer than any record is."""
    whole = True  # whether what was read last ended a line
    while part := file.readline(_LONGEST):
        ends = part.endswith(b"\n")
        if whole and (ends or len(part) < _LONGEST):
            yield part
        whole = ends


def _record(line: bytes) -> dict[str, Any] | None:
    """A line of metrics.jsonl; None for one that is damaged."""
    try:
        record = parse_json(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def number(value: Any) -> float | None:
    """A figure of a record; None for what is none, or has no place among floats."""
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def printable(text: str) -> str:
    """A text of a file as it can be shown: without escape codes, newlines and such."""
    return text if text.isprintable() else ascii(text)[1:-1]
