"""The committed rule book is of these rules, and what it says is good enough."""

import pathlib

import pytest

from funcnn.cli._book import _book
from funcnn.cli._book._accelerators import read
from funcnn.cli._book._pages import page
from funcnn.gradients._verdicts import fails

DOCS = pathlib.Path(__file__).parent.parent / "docs"
ENTRIES = _book.read(DOCS)
AGAIN = "funcnn check --book brings it up to date"
every_rule = pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)


def test_it_is_of_the_code_that_there_is():
    assert _book.stale(ENTRIES) == [], AGAIN


def test_its_page_is_made_of_what_was_measured():
    needs = read(DOCS.parent / "benchmarks" / "results" / "accelerators.json")
    assert needs["dot_product_attention"].gpu_temporaries
    assert (DOCS / _book.PAGE).read_text() == page(ENTRIES, needs), AGAIN


@every_rule
def test_a_rule_is_right_exact_and_found_out_when_it_is_broken(entry):
    assert not fails(entry.verdict)
    assert entry.measures.float64 <= 1e-9
    for ours, automatic in (entry.measures.float32, entry.measures.bfloat16):
        assert ours <= automatic + 2
    found, faults = entry.measures.faults
    assert faults >= 4
    assert found >= 0.9 * faults


def test_of_all_faults_97_percent_are_found():
    found, faults = (
        sum(e.measures.faults[i] for e in ENTRIES.values()) for i in (0, 1)
    )
    assert found >= 0.97 * faults
