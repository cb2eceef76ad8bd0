"""Errors of slopes: units, the lane of what is not finite, and the range of floats."""

import math

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from drawn import assert_nothing_cut_off, curves, draw, legend, texts

from funcnn.plots import slope_errors

EPS = np.finfo(np.float32).eps
INPUTS = np.float32([-2, -1, 1, 2])
TRUE = np.array([1.0, 1.0, 1.5, 1e-30])


def figure_of(slopes, inputs=INPUTS, true=TRUE, **options):
    return slope_errors(inputs, slopes, true, **options)


def test_errors_in_units_of_the_true_slope_s_last_place():
    slopes = np.float32([1, 1 + EPS, 1.5 - 2 * EPS, 0])
    figure = figure_of({"naive": slopes}, title="A slope")
    _, panel = figure.axes
    ((_, (xs, ys)),) = curves(panel).items()
    assert xs == INPUTS.tolist()
    # 1e-30 lies between 2**-100 and 2**-99
    assert ys == pytest.approx([0, 1, 2, 1e-30 / 2.0**-123])
    assert (panel.get_xlabel(), panel.get_ylabel()) == (
        "input",
        "error in ULP of float32",
    )
    assert figure.get_suptitle() == "A slope"
    assert legend(figure) == [f"naive: largest {ys[-1]:.3g} ULP"]


def test_slopes_that_are_not_finite_are_in_their_lane():
    slopes = {"a": np.float32([math.nan, 1, -math.inf, 0]), "b": np.float32(TRUE)}
    figure = figure_of(slopes)
    assert_nothing_cut_off(figure)
    lane, panel = figure.axes
    assert [line.get_xdata().tolist() for line in lane.lines] == [[-2, 1], []]
    assert [len(xs) for xs, _ in curves(panel).values()] == [2, 4]
    assert "not finite" in lane.get_yticklabels()[0].get_text()
    assert legend(figure)[0].endswith(", 2 not finite")
    assert "not finite" not in legend(figure)[1]


def test_an_empty_lane_says_so():
    figure = figure_of({"a": np.float32(TRUE)})
    assert texts(figure.axes[0]) == ["none"]


def test_an_overflow_of_the_true_slope_is_no_error():
    true = np.array([1e300, -1e300, 1e300, 1.0])
    slopes = np.float32([math.inf, -math.inf, -math.inf, 1])
    figure = figure_of({"a": slopes}, true=true)
    ((_, (_, ys)),) = curves(figure.axes[1]).items()
    assert ys == [0, 0, 0]
    assert figure.axes[0].lines[0].get_xdata().tolist() == [1]


def test_what_has_no_place_is_counted_at_the_axis():
    figure = figure_of(
        {"a": np.float32([1, 1, 1, 1])},
        inputs=np.float32([math.nan, 1, 2, math.inf]),
        true=[1, math.nan, 1, 1],
    )
    draw(figure)
    assert figure.axes[1].get_xlabel().startswith("input (3 without a finite input")


def test_no_two_ways_look_alike_in_grey_nor_hide_each_other():
    panel = figure_of({str(i): np.float32(TRUE) for i in range(7)}).axes[1]
    assert len({line.get_marker() for line in panel.lines}) == 7
    assert len({line.get_markersize() for line in panel.lines}) == 7


@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
)
def test_the_whole_range_of_floats_is_spread(dtype):
    info = jnp.finfo(dtype)
    top, tiny = float(info.max), float(info.smallest_subnormal)
    inputs = np.array([-top, -1, -tiny, 0, tiny, 1, top]).astype(dtype)
    slopes = {"a": np.ones(7, dtype), "b": np.array([np.nan] * 7).astype(dtype)}
    figure = slope_errors(inputs, slopes, np.array([1, 2, 3, 0, 1e-300, 1, 1]))
    assert_nothing_cut_off(figure)
    panel = figure.axes[1]
    drawn = np.clip(inputs.astype(float), -1e300, 1e300)
    places = panel.transData.transform(np.column_stack([drawn, np.zeros(7)]))[:, 0]
    assert np.isfinite(places).all()
    inside = panel.get_window_extent()
    assert inside.x0 <= places.min() < places.max() <= inside.x1
    assert abs(places[1] - places[0]) > 30  # pixels
    assert abs(places[2] - places[1]) > 30
    assert any(tick == 0 for tick in panel.get_xticks())


@pytest.mark.parametrize("inputs", [[1.0], [0.0], [3.0, 3.0], [math.nan, 1]])
def test_odd_inputs_are_drawn(inputs):
    ones = np.ones(len(inputs), np.float32)
    assert_nothing_cut_off(
        slope_errors(inputs, {"a long name " * 15: ones}, ones, title="long " * 40)
    )


@pytest.mark.parametrize(
    ("inputs", "slopes", "true"),
    [([], {"a": []}, []), ([1], {}, [1]), ([math.nan], {"a": [1.0]}, [1])],
)
def test_nothing_to_show(inputs, slopes, true):
    figure = slope_errors(inputs, slopes, true)
    draw(figure)
    assert "nothing to show" in texts(figure)


@pytest.mark.parametrize(
    ("slopes", "options", "error", "message"),
    [
        (
            {"a": [1.0]},
            {},
            ValueError,
            r"slopes 'a' must be .*\(4,\), got shape \(1,\)",
        ),
        ({"a": [1, 1, 1, 1]}, {}, TypeError, "slopes 'a' must be floats, got int64"),
        ({}, {"true": [1.0]}, ValueError, r"true must be .*\(4,\), got shape \(1,\)"),
        ({}, {"inputs": [[1.0]]}, ValueError, r"inputs must be .* got shape \(1, 1\)"),
        ({str(i): TRUE for i in range(8)}, {}, ValueError, "at most 7 slopes.*got 8"),
    ],
)
def test_unusable_arguments_are_refused(slopes, options, error, message):
    with pytest.raises(error, match=message):
        figure_of(slopes, **options)
