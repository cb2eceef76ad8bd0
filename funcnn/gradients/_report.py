"""What the gradient tools answer with."""

import dataclasses
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from funcnn._files import write_whole
from funcnn._tables import text_table
from funcnn.gradients._report_html import html_page, html_table
from funcnn.gradients._verdicts import OK, fails, severity

# Arrays of so many entries stand in the JSON whole; larger ones by their range.
_WHOLE = 64


@dataclasses.dataclass(frozen=True, repr=False)
class Report:
    """Rows of plain records, and what they amount to; prints as a table.

    The table, as text and as HTML, begins with the worst row; what is OK follows in
    the order of the program, as all of `rows` and of the JSON is. A cell whose text
    has several lines takes several lines of the table. Fields that are not among
    `columns`, such as arrays, are in the JSON and in the details of the saved page,
    and are not printed.

    Attributes:
      title: what was compared.
      rows: NamedTuples in program order, with a `verdict` that is one of
        `funcnn.gradients._verdicts`; rows that judge nothing have none.
      columns: the fields, or properties, that the table shows.
      noun: what a row is, for the summary line ("rule" gives "12 rules, 1 wrong");
        without it there is no such line.
      notes: sentences under the table.
      left: the columns that are aligned to the left, beside the first.
    """

    title: str
    rows: tuple[Any, ...]
    columns: tuple[str, ...]
    noun: str = ""
    notes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no row says that something is wrong."""
        return not self.failures

    @property
    def failures(self) -> tuple[Any, ...]:
        """The rows whose verdict is one that fails."""
        return tuple(row for row in self.rows if fails(_verdict(row)))

    @property
    def summary(self) -> str:
        """How many rows there are, and how many are not OK; empty without a noun."""
        if not self.noun:
            return ""
        parts = [f"{len(self.rows)} {self.noun}{'s' * (len(self.rows) != 1)}"]
        if any(hasattr(row, "verdict") for row in self.rows):
            parts.append(f"{len(self.failures)} wrong")
        others = [_verdict(r) for r in self.rows if not fails(_verdict(r))]
        for word in dict.fromkeys(v for v in others if v != OK):
            parts.append(f"{others.count(word)} {word.lower()}")
        return ", ".join(parts)

    def __str__(self) -> str:
        """The table as text, with the summary and the notes under it."""
        table = [self._table(self._worst_first())] if self.rows else []
        ends = [self.summary] if self.summary else []
        return "\n".join([self.title, *table, *ends, *self.notes])

    def __repr__(self) -> str:
        """Short: the rows may carry large arrays."""
        said = self.summary or f"{len(self.rows)} rows"
        return f"<{type(self).__name__} {self.title!r}: {said}>"

    def _repr_html_(self) -> str:
        """The table as HTML, for notebooks."""
        ends = [line for line in (self.summary, *self.notes) if line]
        cells = self._cells(self._worst_first())
        return html_table(self.title, self._header(), cells, ends)

    def to_html(self) -> str:
        """A page that needs nothing beside itself, with all fields on demand."""
        rows = self._worst_first()
        details = [_details(row, self.columns) for row in rows]
        marks = [fails(_verdict(row)) for row in rows]
        body = list(zip(self._cells(rows), details, marks, strict=True))
        ends = [line for line in (self.summary, *self.notes) if line]
        return html_page(self.title, self._header(), body, ends)

    def to_json(self) -> str:
        """Title, `ok`, notes and all fields of all rows, as JSON."""
        rows = [_plain(row._asdict()) for row in self.rows]
        said = {"title": self.title, "ok": self.ok, "notes": self.notes, "rows": rows}
        return json.dumps(said)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the report to a file, whole or not at all.

        Args:
          path: ends in ``.html`` for a page or in ``.json``.

        Returns:
          The path.

        Raises:
          ValueError: when the path ends in something else.
          OSError: when it cannot be written; nothing is left behind.
        """
        path = Path(path)
        if path.suffix not in (".html", ".json"):
            raise ValueError(f"a report is saved as .html or .json, got {path.name!r}")
        text = self.to_json() if path.suffix == ".json" else self.to_html()
        write_whole(path, text.encode())
        return path

    def assert_ok(self) -> None:
        """Raises AssertionError, with the table of what failed, unless `ok`.

        Under the table stand the smallest inputs that show it, where rows have them.
        """
        if self.ok:
            return
        shown = (getattr(row, "smallest", None) for row in self.failures)
        parts = [f"{self.title}\n{self._table(self.failures)}"]
        raise AssertionError("\n\n".join([*parts, *map(str, filter(None, shown))]))

    def _worst_first(self) -> list[Any]:
        return sorted(self.rows, key=_badness)

    def _table(self, rows: Sequence[Any]) -> str:
        left = [i for i, c in enumerate(self.columns) if i == 0 or c in self.left]
        lines = [line for cells in self._cells(rows) for line in _lines(cells)]
        return text_table(self._header(), lines, left)

    def _header(self) -> list[str]:
        return [column.replace("_", " ") for column in self.columns]

    def _cells(self, rows: Sequence[Any]) -> list[list[str]]:
        return [[_text(getattr(row, c)) for c in self.columns] for row in rows]


def _verdict(row: Any) -> str:
    return getattr(row, "verdict", OK)


def _badness(row: Any) -> tuple[int, float]:
    """Sorts the worst verdict first, and the largest error of what is not OK."""
    if _verdict(row) == OK:
        return 0, 0.0
    error = float(getattr(row, "relative_error", 0.0))
    return -severity(_verdict(row)), -math.inf if math.isnan(error) else -error


def _lines(cells: Sequence[str]) -> Iterator[list[str]]:
    columns = [cell.split("\n") for cell in cells]
    for i in range(max(map(len, columns), default=0)):
        yield [column[i] if i < len(column) else "" for column in columns]


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _details(row: Any, columns: Sequence[str]) -> dict[str, str]:
    """The fields that the table does not show, as text."""
    hidden = {k: v for k, v in row._asdict().items() if k not in columns}
    return {key: _long_text(value) for key, value in hidden.items()}


def _long_text(value: Any) -> str:
    """Arrays with four digits, each of several on lines of its own."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple) and any(hasattr(item, "shape") for item in value):
        return "\n".join(map(_long_text, value))
    plain = _plain(value)
    if hasattr(value, "shape") and not isinstance(plain, dict):
        return np.array2string(np.asarray(value), precision=4)
    return "-" if value is None else json.dumps(plain)


def _plain(value: Any) -> Any:
    """As JSON has it. NaN and the infinities, which it has not, become their names."""
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _plain_array(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, complex):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return (
        [_plain(item) for item in value] if isinstance(value, tuple | list) else value
    )


def _plain_array(array: Any) -> Any:
    """Its entries where they are few, its shape, dtype and range where not."""
    about = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.extended):
        return about  # keys: not to be printed
    entries = np.asarray(array)
    if entries.size <= _WHOLE:
        return _plain(entries.tolist())
    if np.iscomplexobj(entries):
        entries = np.abs(entries)
    return about | {
        "min": _plain(entries.min().item()),
        "max": _plain(entries.max().item()),
    }
