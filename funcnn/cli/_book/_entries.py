"""What is known of every rule, in a file beside the page that is made of it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from funcnn._files import write_whole
from funcnn.cli._book._measures import Measures


class Entry(NamedTuple):
    """A rule, as it was measured.

    Attributes:
      code: the fingerprint of the code that was measured.
      verdict: of `funcnn check`, at full depth.
      points: at how many points it was compared.
      measures: the rest.
      versions: of JAX and of the system.
    """

    code: str
    verdict: str
    points: int
    measures: Measures
    versions: str


def read(path: Path) -> dict[str, Entry]:
    """The entries of a book by the rule's name; none where there is no file.

    Raises:
      ValueError: when it is no book of this version.
    """
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: is no JSON: {error}") from error
    try:
        return {name: _entry(row) for name, row in saved.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: is no rule book of this version") from error


def _entry(row: dict[str, Any]) -> Entry:
    measured = row["measures"].items()
    pairs: dict[str, Any] = {n: tuple(v) for n, v in measured if isinstance(v, list)}
    measures = Measures(**row["measures"])._replace(**pairs)
    return Entry(**row | {"measures": measures})


def write(path: Path, entries: dict[str, Entry]) -> None:
    """Writes them in the order of their names, whole or not at all."""
    rows = {
        name: entry._asdict() | {"measures": entry.measures._asdict()}
        for name, entry in sorted(entries.items())
    }
    write_whole(path, (json.dumps(rows, indent=1) + "\n").encode())
