"""The reproductions in the third-party audit reproduce, and their truths are true."""

import pathlib
import re

import jax
import pytest
from mpmath import mp

from benchmarks.third_party_audit.report import wrong
from benchmarks.third_party_audit.reproduce import parts, run
from benchmarks.third_party_audit.sweep import true_slope
from benchmarks.third_party_audit.tables import CASES

pytestmark = pytest.mark.slow

REPORT = pathlib.Path(__file__).parent.parent / "benchmarks/third_party_audit.md"
SECTION = re.compile(
    r"^### (?P<name>\S+): (?P<kind>[A-Z ]+)\n\n.*?Seen with jax (?P<versions>.*?)\."
    r"(?: .*?)?\n\n```python\n(?P<block>.*?)\n```$",
    re.MULTILINE | re.DOTALL,
)
SECTIONS = [match.groupdict() for match in SECTION.finditer(REPORT.read_text("utf-8"))]
VERSIONS = sorted({v for s in SECTIONS for v in s["versions"].split(" and ")})


def truth(section):
    return section["block"].splitlines()[2].removeprefix("# ")


def test_there_are_at_least_ten_in_daily_functions():
    assert len(SECTIONS) >= 10
    assert REPORT.read_text("utf-8").count("\n### ") == len(SECTIONS)


def test_each_is_three_lines_without_funcnn():
    for section in SECTIONS:
        assert len(section["block"].splitlines()) == 3
        assert "funcnn" not in section["block"]


def test_what_comes_out_is_wrong_as_stated():
    version, outcomes = run([section["block"] for section in SECTIONS])
    found = [
        wrong(outcome, truth(section), section["kind"])
        for section, outcome in zip(SECTIONS, outcomes)
    ]
    assert version == jax.__version__
    assert sum(found) >= 10
    if version in VERSIONS:  # a release that is newer may have repaired some
        stated = [version in s["versions"].split(" and ") for s in SECTIONS]
        names = [f"{s['name']}: {s['kind']}" for s in SECTIONS]
        assert dict(zip(names, found)) == dict(zip(names, stated))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: f"{s['name']}-{s['kind']}")
def test_the_truth_stated_is_that_of_mpmath(section):
    case, point, index = parts(section["block"], CASES)
    slope = true_slope(case, point, index)
    with mp.workdps(40):
        ends = truth(section).removeprefix("between ").split(" and ")
        for stated, true in zip((ends[0], ends[-1]), (slope.low, slope.high)):
            assert abs(mp.mpf(stated) - true) <= abs(true) * mp.mpf(10) ** -19


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.value is not None and c.slope is not None],
    ids=lambda c: c.source,
)
def test_closed_forms_are_the_derivatives_of_their_values(case):
    middle = (max(case.low, -0.5) + min(case.high, 1.5)) / 2
    with mp.workdps(40):
        numeric = mp.diff(case.value, mp.mpf(middle))
        assert abs(numeric - case.slope(mp.mpf(middle))) < 1e-12 * abs(numeric)
