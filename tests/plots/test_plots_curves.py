"""Learning curves: what is on the figure is what is in the history."""

import io
import math

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from funcnn.plots import learning_curves


def record(epoch, **figures):
    return {"epoch": epoch, **figures, "seconds": 3.2}


HISTORY = [
    record(1, train_loss=0.5, train_accuracy=0.8, test_loss=0.25, test_accuracy=0.85),
    record(2, train_loss=0.4, train_accuracy=0.85, test_loss=0.2, test_accuracy=0.9),
    record(3, train_loss=0.3, train_accuracy=0.9, test_loss=0.15, test_accuracy=0.95),
]


def lines(panel: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (
            np.asarray(line.get_xdata()).tolist(),
            np.asarray(line.get_ydata()).tolist(),
        )
        for line in panel.lines
    }


def draw(figure: Figure) -> None:
    """Render as savefig does: layout, ticks and warnings happen only now."""
    figure.savefig(io.BytesIO(), format="png")


def visible_ticks(panel: Axes) -> list[float]:
    low, high = panel.get_xlim()
    return [tick for tick in panel.get_xticks() if low <= tick <= high]


def test_one_panel_per_metric_with_labels():
    figure = learning_curves(HISTORY, title="A run")
    draw(figure)
    assert [panel.get_ylabel() for panel in figure.axes] == ["loss", "accuracy in %"]
    assert [panel.get_xlabel() for panel in figure.axes] == ["epoch", "epoch"]
    assert figure.get_suptitle() == "A run"
    for panel in figure.axes:
        legend = panel.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == ["train", "test"]


def test_lines_hold_the_history():
    loss, accuracy = learning_curves(HISTORY).axes
    assert lines(loss) == {
        "train": ([1, 2, 3], [0.5, 0.4, 0.3]),
        "test": ([1, 2, 3], [0.25, 0.2, 0.15]),
    }
    assert lines(accuracy)["train"] == ([1, 2, 3], [80.0, 85.0, 90.0])


def test_lines_differ_without_colour():
    for panel in learning_curves(HISTORY).axes:
        train, test = panel.lines
        assert train.get_linestyle() != test.get_linestyle()
        assert train.get_marker() != test.get_marker()


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 100])
def test_epoch_ticks_are_whole(epochs):
    history = [record(e, train_loss=1 / e) for e in range(1, epochs + 1)]
    figure = learning_curves(history)
    draw(figure)
    ticks = visible_ticks(figure.axes[0])
    assert ticks
    assert all(tick == round(tick) for tick in ticks)


def test_nothing_is_cut_off():
    history = [record(e, train_loss=1e-7 * e, test_loss=1e-7) for e in (1, 2)]
    figure = learning_curves(history, title="a long title " * 12)
    draw(figure)
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_panels_and_title_do_not_overlap():
    figure = learning_curves(HISTORY, title="a long title " * 20)
    draw(figure)
    left, right = (panel.get_tightbbox() for panel in figure.axes)
    (title,) = figure.texts
    assert left.x1 < right.x0
    assert left.y1 < title.get_window_extent().y0


def test_without_test_figures():
    history = [record(1, train_loss=0.5), record(2, train_loss=0.4)]
    (panel,) = learning_curves(history).axes
    assert list(lines(panel)) == ["train"]


def test_metric_missing_in_some_epochs():
    history = [
        record(1, train_loss=0.5),
        record(2, train_loss=0.4, test_loss=0.3),
        record(3, train_loss=0.3, test_loss=None),
    ]
    (panel,) = learning_curves(history).axes
    assert lines(panel)["test"] == ([2], [0.3])


def test_not_finite_values_leave_a_counted_gap():
    losses = [0.5, math.inf, math.nan, 1e308, 0.3]
    history = [record(e, train_loss=v) for e, v in enumerate(losses, start=1)]
    figure = learning_curves(history)
    draw(figure)
    (label,) = lines(figure.axes[0])
    assert label == "train (3 not finite)"
    drawn = np.isfinite(lines(figure.axes[0])[label][1])
    assert drawn.tolist() == [True, False, False, False, True]


def test_no_finite_value_at_all():
    history = [record(e, train_loss=math.nan) for e in (1, 2, 3)]
    figure = learning_curves(history)
    draw(figure)
    (panel,) = figure.axes
    assert [text.get_text() for text in panel.texts] == ["no finite values"]
    assert visible_ticks(panel) == [1, 2, 3]


def test_jax_scalars_are_taken():
    (panel,) = learning_curves([record(1, train_loss=jnp.float32(0.5))]).axes
    assert lines(panel) == {"train": ([1], [0.5])}


def test_x_axis_of_another_key():
    history = [{"step": s, "epoch": 1, "train_loss": 1 / s} for s in (10, 20)]
    (panel,) = learning_curves(history, x="step").axes
    assert panel.get_xlabel() == "step"
    assert lines(panel) == {"train": ([10, 20], [0.1, 0.05])}


def test_x_axis_of_fractions_has_ticks_between_whole_numbers():
    history = [{"gpu_hours": h, "train_loss": 1.0} for h in (0.5, 1.5, 2.5)]
    figure = learning_curves(history, x="gpu_hours")
    draw(figure)
    assert figure.axes[0].get_xlabel() == "gpu hours"
    assert 1.5 in visible_ticks(figure.axes[0])


def test_the_legend_hides_no_curve():
    figure = learning_curves(HISTORY, title="A run")
    draw(figure)
    for panel in figure.axes:
        low = panel.get_legend().get_window_extent().y0
        assert low >= panel.get_window_extent().y1 - 1


@pytest.mark.parametrize("value", [None, "one", [1, 2], math.inf])
def test_a_record_without_the_number_of_the_x_axis_is_refused(value):
    history = [{"step": 1, "train_loss": 1}, {"step": value, "train_loss": 1}]
    with pytest.raises(ValueError, match=r'history\[1\] needs a finite .*key "step"'):
        learning_curves(history, x="step")


def test_fourth_panel_starts_a_second_row():
    figure = learning_curves([record(1, **{f"train_m{i}": i for i in range(4)})])
    assert len(figure.axes) == 4
    assert figure.axes[3].get_subplotspec().rowspan.start == 1


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ([], "history is empty.*one mapping per epoch"),
        ([{"train_loss": 0.5}], r'history\[0\] needs a finite number .*"epoch"'),
        ([record(math.nan, train_loss=0.5)], r'history\[0\] needs .*"epoch"'),
        ([record(1)], 'no key starts with "train_" or "test_"'),
        ([record(1, train_loss=None)], 'no key starts with "train_" or "test_"'),
    ],
)
def test_unusable_history_is_refused(history, message):
    with pytest.raises(ValueError, match=message):
        learning_curves(history)
