"""Symmetric logarithmic axes over any range of floats."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from funcnn.plots.scales import set_error_axis, set_symmetric_log, symmetric_log

MINUS = "\N{MINUS SIGN}"
RANGES = [1e-3, 1.0, 1e30, 1e300]


@pytest.mark.parametrize("linear", [5e-324, 1e-38, 1.0, 100.0])
def test_the_inverse_gives_back_what_went_in(linear):
    forward, inverse = symmetric_log(linear)
    values = np.array([-1e300, -1.0, -1e-20, 0.0, 1e-3, 7.0, 1e300])
    kept = values[(np.abs(values) > 1e-8 * linear) | (values == 0)]
    np.testing.assert_allclose(inverse(forward(kept)), kept, rtol=1e-9)


def test_linear_near_zero_and_logarithmic_far_from_it():
    forward, _ = symmetric_log(1.0)
    near = forward(np.array([1e-6, 2e-6]))
    assert near[1] == pytest.approx(2 * near[0], rel=1e-5)
    np.testing.assert_allclose(forward(np.array([1e10, 1e20, -1e20])), [10, 20, -20])


def test_nan_stays_nan():
    forward, inverse = symmetric_log(1.0)
    assert np.isnan(forward(np.array([np.nan]))).all()
    assert np.isnan(inverse(np.array([np.nan]))).all()


@pytest.mark.parametrize("top", RANGES)
@pytest.mark.parametrize("linear", [5e-324, 1e-38, 1e-3, 1.0])
@pytest.mark.parametrize("signs", [(1,), (-1,), (1, -1)])
def test_limits_hold_the_values_and_labels_keep_apart(top, linear, signs):
    figure = Figure(figsize=(6, 4))
    panel = figure.add_subplot()
    values = np.array([sign * top for sign in signs])
    set_symmetric_log(panel, "x", values, linear)
    figure.draw_without_rendering()
    low, high = panel.get_xlim()
    assert low < min(0.0, values.min())
    assert high > max(0.0, values.max())
    labels = [label.get_window_extent() for label in panel.get_xticklabels()]
    assert len(labels) >= 2
    for left, right in itertools.pairwise(labels):
        assert left.x1 < right.x0


def test_labels_are_short():
    figure = Figure()
    panel = figure.add_subplot()
    set_symmetric_log(panel, "y", np.array([-1e6, 1e6]), 1.0, most_ticks=6)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in panel.get_yticklabels()]
    assert {"0", "100", f"{MINUS}100", "$10^{6}$", f"${MINUS}10^{{6}}$"} <= set(labels)


@pytest.mark.parametrize(
    ("errors", "scale"), [([], "linear"), ([0, 0.5], "linear"), ([30], "function")]
)
def test_errors_start_at_zero(errors, scale):
    panel = Figure().add_subplot()
    set_error_axis(panel, "y", np.array(errors, np.float64))
    assert panel.get_yscale() == scale
    low, high = panel.get_ylim()
    assert low <= 0
    assert high >= max([1, *errors])
