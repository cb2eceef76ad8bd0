"""What the gradient tools answer with."""

import dataclasses
import html
import json
import math
from collections.abc import Sequence
from typing import Any

from funcnn._tables import text_table


@dataclasses.dataclass(frozen=True)
class Report:
    """Rows of plain records, and what they amount to; prints as a table.

    Attributes:
      title: what was compared.
      rows: NamedTuples with a `verdict`, "OK" where nothing is wrong.
      columns: the fields that the table shows.
    """

    title: str
    rows: tuple[Any, ...]
    columns: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether no row says that something is wrong."""
        return not self.failures

    @property
    def failures(self) -> tuple[Any, ...]:
        """The rows whose verdict is not OK."""
        return tuple(row for row in self.rows if row.verdict != "OK")

    def __str__(self) -> str:
        """The table as text."""
        return f"{self.title}\n{text_table(self._header(), self._cells(self.rows))}"

    def _repr_html_(self) -> str:
        """The table as HTML, for notebooks."""
        head = _html_row("th", self._header())
        body = "".join(_html_row("td", cells) for cells in self._cells(self.rows))
        caption = f"<caption>{html.escape(self.title)}</caption>"
        return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"

    def to_json(self) -> str:
        """Title, `ok` and all fields of all rows, as JSON."""
        rows = [_plain(row._asdict()) for row in self.rows]
        return json.dumps({"title": self.title, "ok": self.ok, "rows": rows})

    def assert_ok(self) -> None:
        """Raises AssertionError, with the table of what failed, unless `ok`."""
        if not self.ok:
            table = text_table(self._header(), self._cells(self.failures))
            raise AssertionError(f"{self.title}\n{table}")

    def _header(self) -> list[str]:
        return [column.replace("_", " ") for column in self.columns]

    def _cells(self, rows: Sequence[Any]) -> list[list[str]]:
        return [[_text(getattr(row, c)) for c in self.columns] for row in rows]


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(c)}</{tag}>' for c in cells)}</tr>"


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
