"""Kept bytes as bars: order, units, numbers and errors."""

import numpy as np
import pytest
from drawn import assert_nothing_cut_off, draw, legend, texts, tick_texts

from funcnn.plots import residual_bytes

OPS = {"relu": (1000, 4096), "conv": (4 * 2**20, 9 * 2**20), "norm": (300, 100)}


def bars(panel):
    """label -> lengths of the bars, from the top to the bottom."""
    found = {}
    for group in panel.containers:
        upwards = sorted(group, key=lambda bar: -panel.transData.transform(bar.xy)[1])
        found[group.get_label()] = [bar.get_width() for bar in upwards]
    return found


def test_bars_in_one_unit_what_saves_most_at_the_top():
    figure = residual_bytes(OPS, title="By op")
    (panel,) = figure.axes
    assert tick_texts(panel.yaxis) == ["conv", "relu", "norm"]
    assert bars(panel) == {
        "manual": [4, 1000 / 2**20, 300 / 2**20],
        "automatic": [9, 4096 / 2**20, 100 / 2**20],
    }
    assert panel.get_xlabel() == "kept from forward to backward pass in MiB"
    assert sorted(legend(figure)) == ["automatic", "manual"]
    assert figure.get_suptitle() == "By op"


def test_the_first_name_is_at_the_top():
    (panel,) = residual_bytes(OPS).axes
    low, high = panel.get_ylim()
    assert low > high


def test_equals_keep_their_order():
    (panel,) = residual_bytes({"b": (1, 2), "a": (1, 2), "c": (2, 3)}).axes
    assert tick_texts(panel.yaxis) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (2**20, "1 MiB"),
        (2**20 - 1, "1024 KiB"),
        (3 * 2**30, "3 GiB"),
        (2**80, f"{2**20:.4g} EiB"),
    ],
)
def test_each_number_stands_at_its_bar_in_its_own_unit(size, text):
    (panel,) = residual_bytes({"op": (size, 2**21)}).axes
    assert texts(panel) == [text, "2 MiB"]


def test_sides_differ_without_colour():
    (panel,) = residual_bytes(OPS).axes
    greys = [np.mean(group[0].get_facecolor()[:3]) for group in panel.containers]
    assert abs(greys[0] - greys[1]) > 0.4


def test_numpy_integers_are_taken():
    (panel,) = residual_bytes({"op": np.array([1, 2])}).axes
    assert bars(panel) == {"manual": [1], "automatic": [2]}


@pytest.mark.parametrize(
    "sizes",
    [
        {"op": (0, 0)},
        {"op": (1, 1)},
        {"a long name " * 6: (2**70, 2**10), "b": (0, 2**69)},
        {f"op{i}": (i, 10**i) for i in range(27)},
    ],
)
def test_nothing_is_cut_off(sizes):
    assert_nothing_cut_off(residual_bytes(sizes, title="long " * 40))


def test_numbers_lie_inside_the_axes():
    figure = residual_bytes({"op": (1023, 1023)})
    draw(figure)
    (panel,) = figure.axes
    right = panel.get_window_extent().x1
    assert all(text.get_window_extent().x1 <= right for text in panel.texts)


def test_nothing_to_show():
    assert "nothing to show" in texts(residual_bytes({}))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((1,), ValueError, r"\['op'\] must be \(manual, automatic\), got \(1,\)"),
        ((-1, 1), ValueError, r"must not be negative, got \(-1, 1\)"),
        ((1, -1), ValueError, r"must not be negative, got \(1, -1\)"),
        ((1.5, 2), TypeError, r"must be whole numbers of bytes, got \(1.5, 2\)"),
        (3, ValueError, r"must be \(manual, automatic\), got 3"),
    ],
)
def test_unusable_bytes_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        residual_bytes({"op": given})
