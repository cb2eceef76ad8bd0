"""The folder that a run writes, and later commands read."""

import dataclasses
import datetime
import errno
import io
import json
import os
from pathlib import Path
from typing import Any

from funcnn._files import write_whole
from funcnn.data import DataError


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """config.json, metrics.jsonl, params.safetensors, curves.png, mistakes.png."""

    path: Path

    @classmethod
    def create(cls, parent: Path, name: str, config: dict[str, Any]) -> "RunFolder":
        """Makes a folder of its own in `parent`, with the configuration in it.

        Raises:
          OSError: when that cannot be written.
        """
        parent.mkdir(parents=True, exist_ok=True)
        now = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
        for number in range(1, 10_000):
            suffix = "" if number == 1 else f"-{number}"
            path = parent / f"{now}-{name}{suffix}"
            try:
                path.mkdir()
            except FileExistsError:  # a run of the same second
                continue
            folder = cls(path)
            folder.write("config.json", json.dumps(config, indent=2).encode() + b"\n")
            return folder
        raise FileExistsError(0, "no name is left for a run folder", str(parent))

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
            config = json.loads(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{self.path}: no run folder: no config.json") from None
        except ValueError as error:
            raise DataError(f"{file}: not JSON: {error}") from error
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

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Adds a line to metrics.jsonl, synced; a full disk leaves no half line."""
        path = self.path / "metrics.jsonl"
        with open(path, "ab", buffering=0) as file:
            before = file.tell()
            try:
                line = json.dumps(record).encode() + b"\n"
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError as error:
                file.truncate(before)
                error.filename = str(path)
                raise
