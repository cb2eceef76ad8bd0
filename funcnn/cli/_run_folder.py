"""The folder that a run writes, and later commands read."""

import dataclasses
import datetime
import io
import json
from pathlib import Path
from typing import Any

from funcnn._files import write_whole
from funcnn.data import DataError


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
    def metrics(self) -> Path:
        """Where the records are, a line each."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def records(self) -> list[dict[str, Any]]:
        """The records that can be read; none when there is no file."""
        try:
            lines = self.metrics.read_bytes().splitlines()
        except OSError:
            return []
        return [r for r in map(_record, lines) if r is not None]

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
        except (ValueError, RecursionError) as error:
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


def _record(line: bytes) -> dict[str, Any] | None:
    """A line of metrics.jsonl; None for one that is damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
