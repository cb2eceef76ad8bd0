"""`Report`: the same rows as text, HTML and JSON."""

import json
import math
import sys
import types
from typing import NamedTuple

import pytest

from funcnn import Report
from funcnn.gradients._places import short_place


class Row(NamedTuple):
    path: str
    shape: tuple
    relative_error: float
    verdict: str


def report_of(*rows):
    columns = ("path", "relative_error", "verdict")
    return Report("a title", tuple(rows), columns)


GOOD = Row("kernel", (2, 3), 1.23456e-7, "OK")
BAD = Row("<b>bias</b>", (3,), math.nan, "DIFFERENT")
# A report's JSON goes to other programs, whose parsers know no NaN.
STRICT = {"parse_constant": lambda name: pytest.fail(f"{name} is not JSON")}


def test_ok_and_failures():
    assert report_of().ok
    assert report_of(GOOD).ok
    assert not report_of(GOOD, BAD).ok
    assert report_of(GOOD, BAD).failures == (BAD,)


def test_text_is_the_title_and_an_aligned_table():
    title, header, line, *rows = str(report_of(GOOD, BAD)).splitlines()
    assert title == "a title"
    assert header.split() == ["path", "relative", "error", "verdict"]
    assert set(line) == {"-", " "}
    assert rows[0].split() == ["<b>bias</b>", "nan", "DIFFERENT"]
    assert rows[1].split() == ["kernel", "1.23e-07", "OK"]
    assert len({len(row) for row in rows}) == 1


def test_html_escapes_what_it_shows():
    report = Report("1 < 2 & 3", (BAD,), ("path", "verdict"))
    html = report._repr_html_()
    assert "<td>&lt;b&gt;bias&lt;/b&gt;</td>" in html
    assert "<caption>1 &lt; 2 &amp; 3</caption>" in html
    assert "<b>" not in html
    assert html.startswith("<table>")
    assert html.endswith("</table>")
    assert "<th>path</th><th>verdict</th>" in html


def test_json_has_all_fields_of_all_rows():
    read = json.loads(report_of(GOOD).to_json(), **STRICT)
    assert read["title"] == "a title"
    assert read["ok"] is True
    assert read["rows"] == [
        {
            "path": "kernel",
            "shape": [2, 3],
            "relative_error": 1.23456e-7,
            "verdict": "OK",
        }
    ]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_is_strict_where_a_number_is_not_finite(number):
    text = report_of(GOOD._replace(relative_error=number)).to_json()
    (row,) = json.loads(text, **STRICT)["rows"]
    assert row["relative_error"] == str(number)


def test_assert_ok_shows_only_what_failed():
    report_of(GOOD).assert_ok()
    with pytest.raises(AssertionError, match="a title") as caught:
        report_of(GOOD, BAD).assert_ok()
    assert "<b>bias</b>" in str(caught.value)
    assert "kernel" not in str(caught.value)


def test_a_report_is_frozen():
    with pytest.raises(AttributeError):
        report_of().title = "another"


def test_a_cell_of_a_notebook_is_named_and_not_its_file(monkeypatch):
    cells = {"/tmp/123.py": ("Cell", "In[5]")}
    shell = types.SimpleNamespace(
        compile=types.SimpleNamespace(format_code_name=cells.get)
    )
    monkeypatch.setitem(
        sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell)
    )
    assert short_place("/tmp/123.py:7") == "In[5]:7"
    assert short_place("/tmp/other.py:7") == "other.py:7"
    shell = None  # imported, but not what runs this
    assert short_place("/tmp/123.py:7") == "123.py:7"
