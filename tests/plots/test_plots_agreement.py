"""Two gradients in one figure: entries, errors by leaf, and what cannot be drawn."""

import math

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from drawn import assert_nothing_cut_off, curves, draw, legend, texts, tick_texts

from funcnn.plots import gradient_agreement

EPS = np.finfo(np.float32).eps  # the last place of numbers from 1 to 2
AUTOMATIC = {
    "bias": np.float32([0.5, 1.0]),
    "kernel": np.float32([[1.0, -0.25], [0.75, 1.5]]),
}
MANUAL = {
    "bias": np.float32([0.5, 1.0 + EPS]),
    "kernel": np.float32([[1.0, -0.25], [0.75, 1.5 + 3 * EPS]]),
}


def entries(figure):
    """label -> (automatic, manual) of the entries at the left."""
    drawn = curves(figure.axes[0])
    del drawn["equal"]
    return drawn


def largest_errors(figure):
    xs, _ = curves(figure.axes[1])["largest"]
    return xs


def test_entries_reach_the_left_panel():
    figure = gradient_agreement(MANUAL, AUTOMATIC, title="Two gradients")
    automatic, manual = entries(figure)["6 entries"]
    assert automatic == [0.5, 1.0, 1.0, -0.25, 0.75, 1.5]
    np.testing.assert_allclose(manual, automatic, rtol=1e-6)
    left = figure.axes[0]
    labels = (left.get_xlabel(), left.get_ylabel())
    assert labels == ("automatic gradient", "manual gradient")
    xs, ys = curves(left)["equal"]
    assert xs == ys
    assert figure.get_suptitle() == "Two gradients"


def test_errors_by_leaf_in_units_of_the_largest_entry():
    figure = gradient_agreement(MANUAL, AUTOMATIC)
    right = figure.axes[1]
    assert tick_texts(right.yaxis) == ["bias", "kernel"]
    assert largest_errors(figure) == [1.0, 3.0]
    medians, places = curves(right)["median"]
    assert medians == [0.5, 0.0]
    assert places[0] > places[1]  # the first leaf is at the top
    assert "error in ULP" in right.get_xlabel()
    assert sorted(legend(figure)) == [
        "all entries",
        "largest",
        "median",
        "middle half of them",
    ]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_the_unit_is_that_of_the_manual_dtype(dtype):
    eps = float(jnp.finfo(dtype).eps)
    manual = np.array([1.0 + 2 * eps]).astype(dtype)
    assert largest_errors(gradient_agreement(manual, np.array([1.0]))) == [2.0]


def test_an_automatic_gradient_of_zeros_has_the_manual_unit():
    figure = gradient_agreement(np.float32([1.0, 0.0]), np.float32([0.0, 0.0]))
    assert largest_errors(figure) == [1 / EPS]
    assert_nothing_cut_off(figure)


def test_the_largest_error_has_a_place():
    figure = gradient_agreement(np.array([1e300]), np.array([1e-300]))
    assert largest_errors(figure) == [1e300]
    assert_nothing_cut_off(figure)


def test_small_errors_are_linear_and_large_ones_are_not():
    assert gradient_agreement(MANUAL, AUTOMATIC).axes[1].get_xscale() == "linear"
    wrong = {**MANUAL, "bias": -MANUAL["bias"]}
    assert gradient_agreement(wrong, AUTOMATIC).axes[1].get_xscale() != "linear"


def test_a_large_range_of_entries_is_spread():
    wide = np.float32([-1e30, -1, 0, 1, 1e30])
    figure = gradient_agreement(wide, wide)
    left = figure.axes[0]
    assert left.get_xscale() == left.get_yscale() != "linear"
    places = left.transData.transform(np.column_stack([wide, wide]))[:, 0]
    assert (np.diff(places) > 0).all()
    assert (np.diff(places)[[0, -1]] > 100).all()  # pixels
    assert_nothing_cut_off(figure)


def test_what_is_not_finite_is_counted_by_leaf_and_in_all():
    manual = {"a": np.float32([1, math.nan, 2]), "b": np.float32([math.inf])}
    automatic = {"a": np.float32([1, 1, math.inf]), "b": np.float32([math.inf])}
    figure = gradient_agreement(manual, automatic)
    assert_nothing_cut_off(figure)
    assert list(entries(figure)) == ["1 entry (3 not finite)"]
    ticks = tick_texts(figure.axes[1].yaxis)
    assert ticks == ["a (2 not finite)", "b (1 not finite)"]


def test_of_many_entries_the_worst_are_among_those_drawn():
    automatic = np.linspace(0, 1, 20_000, dtype=np.float32)
    manual = automatic.copy()
    manual[12_345] += 0.5
    ((label, (_, drawn)),) = entries(gradient_agreement(manual, automatic)).items()
    assert label.endswith(" of 20,000 entries")
    assert len(drawn) <= 5_000
    assert float(manual[12_345]) in drawn


def test_of_many_leaves_the_worst_are_shown_in_their_order():
    automatic = {f"layer{i:02}": np.float32([1.0]) for i in range(30)}
    manual = {name: leaf.copy() for name, leaf in automatic.items()}
    manual["layer29"] += EPS
    manual["layer03"][0] = math.nan
    right = gradient_agreement(manual, automatic).axes[1]
    ticks = tick_texts(right.yaxis)
    assert len(ticks) == 24
    assert ticks == sorted(ticks)
    assert {"layer03 (1 not finite)", "layer29"} <= {
        t.replace("\n", " ") for t in ticks
    }
    assert "the 24 worst of 30 leaves" in right.get_xlabel()


@pytest.mark.parametrize(
    "gradient",
    [
        np.float32(1.5),
        np.zeros(3, np.float32),
        np.full(4, math.nan),
        {"a very long name " * 8: np.ones(2, np.float32)},
        {"a": np.zeros((0, 3), np.float32), "b": np.ones(2, np.float32)},
        [np.array([1e300, -1e300, 5e-324])],
        {f"layer{i}": np.ones(2, np.float32) for i in range(24)},
    ],
)
def test_odd_gradients_are_drawn(gradient):
    assert_nothing_cut_off(gradient_agreement(gradient, gradient, title="long " * 40))


@pytest.mark.parametrize("gradient", [{}, None, np.zeros((0, 3), np.float32)])
def test_nothing_to_show(gradient):
    figure = gradient_agreement(gradient, gradient)
    draw(figure)
    assert "nothing to show" in texts(figure)


@pytest.mark.parametrize(
    ("manual", "automatic", "error", "message"),
    [
        ({"a": 1.0}, {"b": 1.0}, ValueError, "must have one structure.*'a'.*'b'"),
        (
            {"a": np.ones(2)},
            {"a": np.ones(3)},
            ValueError,
            r"'a' must .*\(2,\) and \(3,",
        ),
        (
            {"a": np.ones(2, int)},
            {"a": np.ones(2)},
            TypeError,
            "'a' .* floats, got int",
        ),
        (np.ones(2), np.ones(2, complex), TypeError, "the gradient .* got complex128"),
    ],
)
def test_unusable_gradients_are_refused(manual, automatic, error, message):
    with pytest.raises(error, match=message):
        gradient_agreement(manual, automatic)
