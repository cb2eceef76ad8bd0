"""Which of many parameters the quick suite tries; CI tries all of them."""

import pytest


def a_share(values, of, part=0):
    """One in so many of the values, by `part` others; the rest is marked slow."""
    return [
        pytest.param(value, marks=_marks(number, of, part))
        for number, value in enumerate(values)
    ]


def a_share_of_rows(rows, of, part=0):
    """Likewise of a table, whose keys are the names of its rows."""
    return [
        pytest.param(*row, id=name, marks=_marks(number, of, part))
        for number, (name, row) in enumerate(rows.items())
    ]


def _marks(number, of, part):
    return () if number % of == part % of else pytest.mark.slow
