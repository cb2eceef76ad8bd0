"""Any curves as a figure: data, styles, gaps and legend."""

import math

import numpy as np
import pytest
from drawn import assert_nothing_cut_off, curves, draw, legend, texts

from funcnn.plots import lines

TWO = {"right": ([1, 2, 3], [0.5, 0.4, 0.3]), "faulty": ([1, 2], [0.6, 0.5])}


def figure_of(series, **options):
    return lines(series, x_label="step", y_label="loss in nats", **options)


def test_the_data_reach_the_axes_under_their_labels():
    figure = figure_of(TWO, title="Two rules")
    (panel,) = figure.axes
    assert curves(panel) == {
        "right": ([1, 2, 3], [0.5, 0.4, 0.3]),
        "faulty": ([1, 2], [0.6, 0.5]),
    }
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("step", "loss in nats")
    assert panel.get_yscale() == "linear"
    assert legend(figure) == ["right", "faulty"]
    assert figure.get_suptitle() == "Two rules"


def test_no_two_series_look_alike_in_grey():
    (panel,) = figure_of({str(i): ([1], [1]) for i in range(28)}).axes
    looks = {(line.get_marker(), line.get_linestyle()) for line in panel.lines}
    assert len(looks) == 28


def test_not_finite_points_leave_a_counted_gap():
    figure = figure_of({"a": ([1, 2, 3, math.inf], [1, math.nan, 3, 4])})
    draw(figure)
    assert legend(figure) == ["a (2 not finite)"]
    _, ys = curves(figure.axes[0])["a (2 not finite)"]
    assert np.isfinite(ys).tolist() == [True, False, True, False]


def test_a_log_axis_counts_what_is_not_positive():
    figure = figure_of({"a": ([1, 2, 3, 4], [1, 0, -1, math.nan])}, log=True)
    draw(figure)
    assert figure.axes[0].get_yscale() == "log"
    assert legend(figure) == ["a (1 not finite, 2 not positive)"]


@pytest.mark.parametrize(
    ("values", "log", "message"),
    [
        ([-1, 0], True, "no positive values"),
        ([math.nan] * 2, False, "no finite values"),
    ],
)
def test_no_value_to_draw(values, log, message):
    figure = figure_of({"a": ([1, 2], values)}, log=log)
    draw(figure)
    assert texts(figure.axes[0]) == [message]


def test_whole_xs_have_whole_ticks():
    (panel,) = figure_of({"a": ([1, 2], [1, 2])}).axes
    low, high = panel.get_xlim()
    assert low <= 1 < 2 <= high
    assert all(tick == round(tick) for tick in panel.get_xticks())


def test_many_points_have_about_twenty_markers():
    (panel,) = figure_of({"a": (range(1000), range(1000))}).axes
    first, step = panel.lines[0].get_markevery()
    assert 18 <= (1000 - first) / step <= 22


@pytest.mark.parametrize(
    "series",
    [
        {},
        {"a": ([], [])},
        {"one": ([1], [1])},
        {"huge": ([-1e300, 1e300], [1e300, -1e300])},
        {"a long name " * 20: ([1], [1]), "b": ([1], [2])},
        {f"series {i}": ([1], [1]) for i in range(28)},
    ],
)
def test_nothing_is_cut_off(series):
    assert_nothing_cut_off(figure_of(series, title="a long title " * 12))


def test_nothing_to_show():
    assert "nothing to show" in texts(figure_of({}))


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({"a": ([1, 2], [1])}, r"series 'a' needs .*one length.*\(2,\) and \(1,\)"),
        ({str(i): ([1], [1]) for i in range(29)}, "at most 28 series.*got 29"),
    ],
)
def test_unusable_series_are_refused(series, message):
    with pytest.raises(ValueError, match=message):
        figure_of(series)
