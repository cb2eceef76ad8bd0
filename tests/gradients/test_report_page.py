"""`Report` saved, summed up, and with arrays on its rows."""

import dataclasses
import errno
import html.parser
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcnn import Report
from funcnn.gradients import _verdicts


class Row(NamedTuple):
    rule: str
    relative_error: float
    verdict: str
    worst: object = None

    @property
    def lines(self):
        return f"{self.rule}\nsecond"


class Unjudged(NamedTuple):
    rule: str


COLUMNS = ("rule", "relative_error", "verdict")
ROWS = (
    Row("fine", 1e-9, "OK"),
    Row("bent", 0.5, "KINK"),
    Row("small mistake", 0.1, "RULE WRONG"),
    Row("large mistake", 0.2, "RULE WRONG"),
    Row("<script>", 0.0, "NOT TESTABLE"),
)
MIXED = Report("a & b", ROWS, COLUMNS, noun="rule", notes=("one note",))


def row_of(array):
    return Report("a title", (Row("op", 0.0, "OK", array),), COLUMNS)


def json_of(array):
    text = row_of(array).to_json()
    refuse = lambda name: pytest.fail(f"{name} is not JSON")  # noqa: E731
    return json.loads(text, parse_constant=refuse)["rows"][0]["worst"]


@pytest.mark.parametrize("verdict", _verdicts.PASSING)
def test_what_is_no_mistake_is_ok(verdict):
    assert Report("", (Row("op", 1.0, verdict),), COLUMNS).ok


@pytest.mark.parametrize(
    "verdict",
    ["RULE WRONG", "BOTH WRONG", "KINK OUTSIDE", "DIFFERENT", "RAISES", "STRUCTURE"],
)
def test_what_is_a_mistake_fails(verdict):
    assert verdict in _verdicts.FAILING
    assert not Report("", (Row("op", 0.0, verdict),), COLUMNS).ok


def test_a_word_that_is_no_verdict_fails():
    assert not Report("", (Row("op", 0.0, "FINE"),), COLUMNS).ok


def test_the_summary_counts_what_is_not_ok():
    assert MIXED.summary == "5 rules, 2 wrong, 1 kink, 1 not testable"
    one = Report("", (ROWS[0],), COLUMNS, noun="rule")
    assert one.summary == "1 rule, 0 wrong"


def test_rows_without_a_verdict_are_counted_and_not_judged():
    report = Report("", (Unjudged("a"), Unjudged("b")), ("rule",), noun="rule")
    assert report.ok
    assert report.summary == "2 rules"


def test_the_text_ends_with_summary_and_notes():
    *_, last_row, summary, note = str(MIXED).splitlines()
    assert last_row.startswith("fine")
    assert summary == MIXED.summary
    assert note == "one note"


def test_without_rows_there_is_no_table():
    assert str(Report("nothing", (), COLUMNS, notes=("why",))) == "nothing\nwhy"


def test_a_cell_of_several_lines_takes_several_lines():
    report = Report("t", (ROWS[0], ROWS[1]), ("lines", "verdict"))
    lines = [line.split() for line in str(report).splitlines()[3:]]
    assert lines == [["bent", "KINK"], ["second"], ["fine", "OK"], ["second"]]


def test_columns_can_be_aligned_to_the_left():
    left = Report("t", ROWS[:3], COLUMNS, left=("verdict",))
    starts = {line.index("OK") for line in str(left).splitlines() if "OK" in line}
    starts |= {line.index("KINK") for line in str(left).splitlines() if "KINK" in line}
    assert len(starts) == 1


def test_its_repr_is_short_whatever_the_rows_carry():
    assert repr(row_of(jnp.zeros(1000))) == "<Report 'a title': 1 rows>"
    assert repr(MIXED) == f"<Report 'a & b': {MIXED.summary}>"


def test_small_arrays_are_in_the_json_whole():
    assert json_of(jnp.arange(4.0).reshape(2, 2)) == [[0, 1], [2, 3]]
    assert json_of(np.float32(0.5)) == 0.5
    assert json_of((jnp.ones(1, bool), None)) == [[True], None]
    assert json_of(jnp.zeros(64)) == [0] * 64


def test_large_arrays_are_in_the_json_by_their_range():
    given = jnp.linspace(-1, 2, 65, dtype="bfloat16")
    about = {"shape": [65], "dtype": "bfloat16", "min": -1, "max": 2}
    assert json_of(given) == about


def test_arrays_that_are_not_finite_are_strict_json():
    assert json_of(jnp.array([jnp.nan, -jnp.inf])) == ["nan", "-inf"]
    assert json_of(jnp.full(65, jnp.nan))["max"] == "nan"


def test_keys_and_complex_arrays_are_json_too():
    assert json_of(jax.random.key(0))["dtype"] == "key<fry>"
    assert json_of(np.array([1j])) == ["1j"]


class Page(html.parser.HTMLParser):
    """What a page holds, with all tags closed in their order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_stands_alone(tmp_path):
    path = MIXED.save(tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    text = path.read_text()
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert "prefers-color-scheme: dark" in text
    assert {"script", "link", "img"}.isdisjoint(tag for tag, _ in page.seen)
    assert "<script>" in page.text
    assert MIXED.summary in page.text
    assert "one note" in page.text


def test_the_page_marks_what_failed():
    page = Page(MIXED.to_html())
    kinds = [about.get("class", "") for tag, about in page.seen if tag == "tr"]
    assert kinds.count("bad") == 2


def test_the_page_has_what_the_table_has_not_on_demand():
    page = Page(row_of(jnp.array([0.25, 1.0])).to_html())
    assert "details" in [tag for tag, _ in page.seen]
    assert "worst" in page.text
    assert "[0.25 1.  ]" in page.text
    hidden = row_of((jnp.zeros((9, 9)), jnp.ones(2))).to_html()
    assert "[9, 9]" in hidden.replace("&quot;", "")
    assert "[1. 1.]" in hidden


def test_the_worst_comes_first_and_what_is_ok_in_the_order_of_the_program():
    order = lambda text: sorted((row.rule for row in ROWS[:4]), key=text.index)  # noqa: E731
    worst_first = ["large mistake", "small mistake", "bent", "fine"]
    for text in (MIXED.to_html(), MIXED._repr_html_(), str(MIXED)):
        assert order(text) == worst_first
    errors = {"one of them": 1e-9, "another one": 1e-3}
    fine = [Row(name, error, "OK") for name, error in errors.items()]
    text = str(dataclasses.replace(MIXED, rows=tuple(fine)))
    assert text.index("one of them") < text.index("another one")


def test_json_is_saved_by_its_suffix(tmp_path):
    MIXED.save(str(tmp_path / "report.json"))
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["ok"] is False
    assert read["notes"] == ["one note"]
    assert [row["rule"] for row in read["rows"]] == [row.rule for row in ROWS]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.html or \.json, got 'report\.txt'"):
        MIXED.save(tmp_path / "report.txt")
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_made_leaves_the_old_file(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        row_of(object()).save(path)
    assert path.read_text() == "old"


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = MIXED.save(tmp_path / "report.html")
    before = path.read_text()

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        row_of(jnp.ones(3)).save(path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_notebook_shows_the_bare_table_with_its_summary():
    page = Page(MIXED._repr_html_())
    assert page.seen[0] == ("table", {})
    assert MIXED.summary in page.text
    assert "style" not in [tag for tag, _ in page.seen]
