"""The auditor against rules that people got wrong, and right ones that look wrong."""

import time

import pytest
from broken_rules import BROKEN
from correct_rules import CORRECT

import funcnn as fn

MOST_SECONDS = 20
# of every class a few in the quick suite; all of them in CI
QUICK = 60


def _examples(examples):
    return [
        pytest.param(
            example,
            id=example.name.replace(" ", "_"),
            marks=() if number % QUICK == 0 else pytest.mark.slow,
        )
        for number, example in enumerate(examples)
    ]


def _audited(example):
    start = time.monotonic()
    report = fn.audit(example.f, *example.args, reference=example.reference)
    assert time.monotonic() - start < MOST_SECONDS, example.name
    return report


@pytest.mark.parametrize("example", _examples(BROKEN))
def test_what_is_broken_is_found(example):
    report = _audited(example)
    assert not report.ok, f"{example.why}\n{report}"
    assert all(row.says for row in report.failures)


@pytest.mark.parametrize("example", _examples(CORRECT))
def test_what_is_right_is_no_alarm(example):
    report = _audited(example)
    assert report.ok, f"{example.why}\n{report}"
