"""The decision boundary: what is asked of the classifier, and what is shown of it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import assert_nothing_cut_off, legend, offsets

from funcnn.plots import decision_boundary

POINTS = np.array([[0.0, 1.0], [2.0, 3.0], [1.0, -1.0]])
LABELS = [0, 1, 1]


def step(points):
    return jax.nn.sigmoid(points[:, 0] - 1)


def figure_of(predict=step, points=POINTS, labels=LABELS, **options):
    return decision_boundary(predict, points, labels, **{"resolution": 20} | options)


def test_points_labels_and_title():
    figure = figure_of(title="A net", x_label="width in m", y_label="height in m")
    panel, bar = figure.axes
    groups = offsets(panel)
    np.testing.assert_array_equal(groups["class 0"], POINTS[:1])
    np.testing.assert_array_equal(groups["class 1"], POINTS[1:])
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("width in m", "height in m")
    assert bar.get_ylabel() == "probability of class 1"
    assert sorted(legend(figure)) == ["class 0", "class 1", "probability 0.5"]
    assert figure.get_suptitle() == "A net"


def test_classes_differ_without_colour():
    first, second = (
        group
        for group in figure_of().axes[0].collections
        if str(group.get_label()).startswith("class")
    )
    assert len(first.get_paths()[0]) != len(second.get_paths()[0])


def test_predict_is_asked_once_for_float32_points_around_the_data():
    asked = []

    def predict(points):
        asked.append(points)
        return step(points)

    figure_of(predict, resolution=7)
    (points,) = asked
    assert points.shape == (49, 2)
    assert points.dtype == np.float32
    assert (points.min(axis=0) < POINTS.min(axis=0)).all()
    assert (points.max(axis=0) > POINTS.max(axis=0)).all()


def test_the_line_is_where_the_probability_is_half():
    (line,) = [
        part
        for part in figure_of(resolution=50).axes[0].collections
        if np.array_equal(getattr(part, "levels", []), [0.5])
    ]
    places = np.concatenate([path.vertices for path in line.get_paths()])
    np.testing.assert_allclose(places[:, 0], 1.0, atol=0.01)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, 1.001])
def test_no_line_where_there_is_no_boundary(level):
    figure = figure_of(lambda points: np.full(len(points), level))
    assert_nothing_cut_off(figure)
    assert legend(figure) == ["class 0", "class 1"]


@pytest.mark.parametrize("where", [0.0, -100.0])
def test_a_probability_that_is_not_finite_is_hatched_and_named(where):
    def predict(points):
        return np.where(points[:, 0] > where, np.nan, 0.3)

    figure = figure_of(predict)
    assert_nothing_cut_off(figure)
    assert "probability not finite" in legend(figure)
    assert figure.axes[0].patch.get_hatch()


def test_a_probability_that_rounds_beyond_1_is_shaded_as_1():
    figure = figure_of(lambda points: np.full(len(points), 1.001))
    shading, *_ = figure.axes[0].collections
    assert shading.zmax == 1


def test_not_finite_points_are_counted():
    points = [[0, 1], [math.nan, 1], [1, math.inf], [1e39, 0]]
    figure = figure_of(points=points, labels=[0, 0, 1, 1])
    assert_nothing_cut_off(figure)
    counted = ["class 0 (1 not finite)", "class 1 (2 not finite)"]
    assert sorted(legend(figure))[:2] == counted
    assert [len(group) for group in offsets(figure.axes[0]).values()] == [1, 0]


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 2)),
        [],
        [[3, 4]],
        [[5, 5], [5, 5]],
        [[-1e38, 1], [1e38, 1]],
        [[1e-40, 0], [2e-40, 0]],
        [[1e6, 0], [1e6 + 0.01, 0]],
    ],
)
def test_odd_points_are_drawn(points):
    labels = np.arange(len(points)) % 2
    assert_nothing_cut_off(figure_of(points=points, labels=labels, title="long " * 30))


def test_bfloat16_probabilities_and_boolean_labels_are_taken():
    figure = figure_of(
        lambda points: step(jnp.asarray(points, jnp.bfloat16)),
        labels=np.array([True, False, True]),
    )
    assert len(offsets(figure.axes[0])["class 1"]) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"points": np.zeros((3, 3))},
            r"points must be .*\(n, 2\), got shape \(3, 3\)",
        ),
        ({"labels": [0, 1]}, r"3 points need labels of shape \(3,\), got shape \(2,\)"),
        ({"labels": [0, 1, 2]}, "labels must be 0 or 1, got 2"),
        ({"labels": [0, 1, math.nan]}, "labels must be 0 or 1, got nan"),
        ({"resolution": 1}, "resolution must be at least 2, got 1"),
        ({"predict": lambda p: p}, r"shape \(400,\), got shape \(400, 2\)"),
        (
            {"predict": lambda p: p[:, 0] * 9},
            "from 0 to 1, got -2.16: logits need a sig",
        ),
    ],
)
def test_unusable_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        figure_of(**options)
