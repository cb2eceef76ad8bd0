"""`funcnn check --book`: what is measured, what is kept, and what is written."""

import json
import math
import pathlib

import pytest
from commands import run

from funcnn import ops
from funcnn.cli._book import _book, _sources
from funcnn.cli._book._accelerators import TPU, Needs, read
from funcnn.cli._book._docstrings import in_one_line, sections
from funcnn.cli._book._pages import page

DOCS = pathlib.Path(__file__).parent.parent.parent / "docs"
SMALL = ["check", "squared_error", "--book", "--faults", 1]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of one rule: its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("docs")
    return folder, run(*SMALL, "--folder", folder)


@pytest.mark.slow
def test_a_rule_is_checked_measured_and_written(book):
    folder, done = book
    assert done.returncode == 0, done.stderr
    assert "1 rules, 1 of them measured now" in done.stdout
    (entry,) = _book.read(folder).values()
    assert entry.verdict == "OK"
    assert entry.points > 10
    assert entry.measures.float64 < 1e-12
    assert all(0 < ulps < 2 for ulps in entry.measures.float32)
    assert entry.measures.saved == (60, 60)  # the difference, 3 x 5 float32
    found, faults = entry.measures.faults
    assert found == faults >= 5


@pytest.mark.slow
def test_the_page_has_a_row_with_a_link_and_the_derivation(book):
    text = (book[0] / "rules.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| [`")]
    assert row.count(" | ") == 11
    file, line = _sources.line_of(ops.squared_error)
    assert f"](../{file}#L{line})" in row
    assert "d^2 with d = predictions - targets" in row
    assert "f'(d) = 2 d" in text


@pytest.mark.slow
def test_what_is_known_is_not_measured_again(book):
    folder, _ = book
    before = (folder / "rules.json").read_bytes(), (folder / "rules.md").read_bytes()
    done = run(*SMALL, "--folder", folder)
    assert "1 rules, 0 of them measured now" in done.stdout
    after = (folder / "rules.json").read_bytes(), (folder / "rules.md").read_bytes()
    assert after == before


@pytest.mark.slow
def test_a_rule_whose_code_changed_is_stale(book):
    entries = _book.read(book[0])
    assert "squared_error" not in _book.stale(entries)
    assert "relu" in _book.stale(entries)
    entries["squared_error"] = entries["squared_error"]._replace(code="another")
    assert _book.stale(entries, ["squared_error"]) == ["squared_error"]


SOURCE = 'def f(x):\n    """Text."""\n    return x + 1  # why\n'


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (SOURCE.replace("Text", "Other text,\n\n    longer"), True),
        (SOURCE.replace("# why", "# because"), True),
        (SOURCE.replace("x + 1", "(x + 1)"), False),
        (SOURCE.replace("x + 1", "x + 2"), False),
        (SOURCE.replace("x + 1", '"x # 1"'), False),
    ],
)
def test_only_code_counts(other, same):
    assert (_sources._bare(other) == _sources._bare(SOURCE)) == same


def test_what_an_op_uses_counts_and_nothing_else():
    used = set(_sources.reached(ops.conv.__module__, "conv"))
    assert ("funcnn.ops._arguments", "wide") in used
    assert ("funcnn.rules", "rule") in used
    assert ("funcnn.rules", "_Primals") in used  # by way of `rule`
    assert any(module.endswith("._windows") for module, _ in used)
    assert not any(module.endswith("._softmax_cross_entropy") for module, _ in used)
    # of a file with several ops, no other's
    used = set(_sources.reached(ops.relu.__module__, "relu"))
    assert (ops.relu.__module__, "_relu_reference") in used
    assert (ops.relu.__module__, "_relu6_reference") not in used


def test_a_name_that_stands_nowhere_is_an_error():
    with pytest.raises(LookupError, match="no definition of nothing"):
        _sources.reached("funcnn.rules", "nothing")


def test_sections_of_a_docstring():
    found = sections(ops.layer_norm)
    assert found["Formula"].startswith("Brings each row")
    assert found["Gradient"].startswith("Let r = (var")
    assert "\n    dx = r (u - <u>" not in found["Saved"]
    assert found["Kinks"].startswith("none for eps > 0")
    assert in_one_line("One. Two is longer. Three.", 20) == "One. Two is longer."


@pytest.mark.slow
def test_numbers_that_are_none_are_said(book):
    entries = _book.read(book[0])
    entry = entries["squared_error"]
    bad = entry.measures._replace(float32=(math.inf, 1.0))
    text = page({"squared_error": entry._replace(measures=bad)}, {})
    assert "no number" in text


@pytest.mark.slow
def test_a_folder_that_is_none_and_a_file_that_is_no_book(tmp_path):
    done = run(*SMALL, "--folder", tmp_path / "none")
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
    for content in ("{", json.dumps({"relu": 3})):
        (tmp_path / "rules.json").write_text(content)
        done = run(*SMALL, "--folder", tmp_path)
        assert done.returncode == 2
        assert "rules.json" in done.stderr
        assert (tmp_path / "rules.json").read_text() == content


def test_of_an_op_the_worst_of_its_workloads_is_written(tmp_path):
    def way(microseconds, temporaries, notes=()):
        figures = {"microseconds": microseconds, "temporaries": temporaries}
        return figures | {"bytes": 1000, "notes": notes}

    rows = {
        "conv 1x1": {"rule": way(2.0, 300), "automatic": way(1.0, 100)},
        "conv 5x5": {"rule": way(1.0, 9), "automatic": way(1.0, 0)},
        "attention": {"rule": way(5.0, 50, ["a loop"]), "automatic": way(1.0, 100)},
    }
    path = tmp_path / "accelerators.json"
    assert read(path) == {}
    path.write_text(json.dumps({"targets": {TPU: rows}}))
    assert read(path) == {
        "conv": Needs(2.0, 3.0, None),
        "dot_product_attention": Needs(None, 0.5, None),
    }
    entries = {"conv": _book.read(DOCS)["conv"]}
    (row,) = [x for x in page(entries, read(path)).splitlines() if x.startswith("| [`")]
    assert row.endswith(" | 2.00 | 3.00 | - |")
